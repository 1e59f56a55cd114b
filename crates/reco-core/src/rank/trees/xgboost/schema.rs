//! The parts of XGBoost's files that scoring needs, as they are nested there.

#![allow(clippy::struct_field_names, reason = "fields are named as in the files")]

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) version: [u32; 3],
}

#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) learner: Learner,
}

#[derive(Debug, Deserialize)]
pub(super) struct Learner {
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) feature_names: Vec<Arc<str>>,
    pub(super) gradient_booster: Booster,
    pub(super) learner_model_param: LearnerParam,
    pub(super) objective: Objective,
}

#[derive(Debug, Deserialize)]
pub(super) struct Objective {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct LearnerParam {
    pub(super) base_score: BaseScore,
    pub(super) num_feature: Text<u32>,
    #[serde(default)]
    pub(super) num_class: Text<u32>,
    #[serde(default)]
    pub(super) num_target: Text<u32>,
}

/// Trees as they are (`gbtree`), or within a booster that weighs them (`dart`).
#[derive(Debug, Deserialize)]
pub(super) struct Booster {
    pub(super) name: String,
    #[serde(default)]
    pub(super) model: Option<GbTree>,
    #[serde(default)]
    pub(super) gbtree: Option<Inner>,
    #[serde(default)]
    pub(super) weight_drop: Vec<f32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Inner {
    #[serde(default)]
    pub(super) model: Option<GbTree>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GbTree {
    pub(super) gbtree_model_param: TreesParam,
    pub(super) trees: Vec<Nodes>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TreesParam {
    pub(super) num_trees: Text<u32>,
    #[serde(default)]
    pub(super) num_parallel_tree: Text<u32>,
}

/// The nodes of a tree, a column a property. Leaves have -1 as children and their value as condition.
#[derive(Debug, Deserialize)]
pub(super) struct Nodes {
    pub(super) tree_param: NodesParam,
    pub(super) left_children: Vec<i32>,
    pub(super) right_children: Vec<i32>,
    pub(super) split_indices: Vec<u32>,
    pub(super) split_conditions: Vec<f32>,
    pub(super) default_left: Vec<Flag>,
    /// 1 for categories.
    #[serde(default)]
    pub(super) split_type: Vec<u8>,
    #[serde(default)]
    pub(super) categories: Vec<i32>,
    #[serde(default)]
    pub(super) categories_nodes: Vec<i32>,
    #[serde(default)]
    pub(super) categories_segments: Vec<i64>,
    #[serde(default)]
    pub(super) categories_sizes: Vec<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NodesParam {
    #[serde(default)]
    pub(super) size_leaf_vector: Text<u32>,
}

/// A number written as text.
#[derive(Debug, Default)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom(format!("`{text}` is not such a number")))
    }
}

/// Where the sum of the trees begins: a number as text or, from version 3.1 on, a list of one for each score.
#[derive(Debug)]
pub(super) struct BaseScore(pub(super) Vec<f32>);

impl<'de> Deserialize<'de> for BaseScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let list = text.strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap_or(&text);
        let scores = list.split(',').map(str::parse).collect::<Result<_, _>>();
        scores.map(Self).map_err(|_| D::Error::custom(format!("`{text}` is no base score")))
    }
}

/// A truth value, as which older files have `true` and newer ones 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0, 1, true or false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Flag, E> {
        Ok(Flag(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Flag, E> {
        Ok(Flag(value != 0))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Flag, E> {
        Ok(Flag(value != 0))
    }
}
