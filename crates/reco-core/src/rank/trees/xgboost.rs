//! Models of XGBoost, from the JSON or UBJSON that `save_model` writes.

mod schema;
mod ubjson;

use super::TreeModel;
use super::forest::{Forest, Sum};
use super::output::Output;
use super::tree::{Categories, Child, Rule, Split, Tree};
use crate::rank::dense::ModelError;
use schema::{Booster, File, GbTree, Learner, Nodes, Version};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Newest version whose files are known.
const NEWEST: u32 = 3;

/// Most features of a file that does not name them, as those names are made up.
const MOST_FEATURES: usize = 1 << 20;

/// Whether these may be the bytes of such a file.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

/// Reads a model.
pub(super) fn read(model: &Arc<str>, bytes: &[u8]) -> Result<TreeModel, ModelError> {
    // First, as the rest of a newer file may be nested otherwise.
    let Version { version } = parse(model, bytes)?;
    if version[0] > NEWEST {
        let found = version.map(|number| number.to_string()).join(".");
        return Err(ModelError::Newer { model: Arc::clone(model), format: "XGBoost", found, known: "3" });
    }
    let File { learner } = parse(model, bytes)?;
    Reader { model, learner: &learner }.read()
}

/// JSON begins with a name in quotes, UBJSON with the type of a name's length.
fn parse<T: DeserializeOwned>(model: &Arc<str>, bytes: &[u8]) -> Result<T, ModelError> {
    let is_binary = bytes.get(1).is_some_and(|byte| b"iUIlL".contains(byte));
    let truncated =
        |missing: &str| ModelError::Truncated { model: Arc::clone(model), missing: missing.to_owned() };
    let invalid = |place: String, problem| ModelError::Invalid { model: Arc::clone(model), place, problem };
    if is_binary {
        ubjson::from_slice(bytes).map_err(|error| match error.problem {
            None => truncated("the end of the outermost object"),
            Some(problem) => invalid(format!("byte {}", error.place), problem),
        })
    } else {
        serde_json::from_slice(bytes).map_err(|error| {
            if error.is_eof() {
                truncated("the end of the outermost object")
            } else {
                invalid(format!("line {}", error.line()), error.to_string())
            }
        })
    }
}

/// A parsed file on its way to a model.
struct Reader<'a> {
    model: &'a Arc<str>,
    learner: &'a Learner,
}

impl Reader<'_> {
    fn read(&self) -> Result<TreeModel, ModelError> {
        let parameters = &self.learner.learner_model_param;
        for (field, n) in [("num_class", parameters.num_class.0), ("num_target", parameters.num_target.0)] {
            if n > 1 {
                let instead = "a ranker gives one score: train for regression, ranking or two classes";
                return Err(self.unsupported(field, n.to_string(), instead));
            }
        }
        let features = self.features()?;
        let (booster, weights) = self.booster()?;
        let n_trees = self.n_trees(booster)?;
        let mut trees = Vec::with_capacity(n_trees);
        for (number, nodes) in booster.trees[..n_trees].iter().enumerate() {
            let mut tree = self.tree(number, nodes, features.len())?;
            if let Some(weights) = weights {
                // As XGBoost does: a product of single precision.
                tree.leaves.iter_mut().for_each(|leaf| *leaf = f64::from(*leaf as f32 * weights[number]));
            }
            trees.push(tree);
        }
        let (output, start) = self.output()?;
        let forest = Forest::new(&trees, start, 0.0, Sum::Single);
        Ok(TreeModel { kind: "xgboost", features, forest, output })
    }

    /// Their names; f0, f1 … where the file has none, as XGBoost calls them.
    fn features(&self) -> Result<Vec<Arc<str>>, ModelError> {
        let n_features = self.learner.learner_model_param.num_feature.0 as usize;
        let names = &self.learner.feature_names;
        if names.is_empty() && n_features <= MOST_FEATURES {
            Ok((0..n_features).map(|number| format!("f{number}").into()).collect())
        } else if names.len() == n_features {
            Ok(names.clone())
        } else {
            let problem = match names.len() {
                0 => format!("{n_features} features without names, at most {MOST_FEATURES} are"),
                n_names => format!("{n_names} names for {n_features} features"),
            };
            Err(self.invalid("`feature_names`".to_owned(), problem))
        }
    }

    /// The trees, and the weight of each where they have any.
    fn booster(&self) -> Result<(&GbTree, Option<&[f32]>), ModelError> {
        match &self.learner.gradient_booster {
            Booster { name, model: Some(trees), .. } if name == "gbtree" => Ok((trees, None)),
            Booster { name, gbtree: Some(inner), weight_drop, .. } if name == "dart" => {
                let trees = inner.model.as_ref();
                let trees =
                    trees.ok_or_else(|| self.invalid("`gbtree`".to_owned(), "no `model`".to_owned()))?;
                if weight_drop.len() == trees.trees.len()
                    && weight_drop.iter().all(|weight| weight.is_finite())
                {
                    return Ok((trees, Some(weight_drop)));
                }
                let problem = format!("{} finite numbers for {} trees", weight_drop.len(), trees.trees.len());
                Err(self.invalid("`weight_drop`".to_owned(), problem))
            }
            Booster { name, .. } if name == "gbtree" || name == "dart" => {
                Err(self.invalid("`gradient_booster`".to_owned(), "no trees".to_owned()))
            }
            Booster { name, .. } => {
                Err(self.unsupported("booster", name.clone(), "train `gbtree` or `dart`"))
            }
        }
    }

    /// How many trees count: those up to the best iteration, where training stopped early.
    fn n_trees(&self, booster: &GbTree) -> Result<usize, ModelError> {
        let all = booster.trees.len();
        if all == 0 || booster.gbtree_model_param.num_trees.0 as usize != all {
            let problem = format!("{all}, where `num_trees` is {}", booster.gbtree_model_param.num_trees.0);
            return Err(self.invalid("`trees`".to_owned(), problem));
        }
        let Some(best) = self.learner.attributes.get("best_iteration") else {
            return Ok(all);
        };
        let wrong = || {
            let problem = format!("`{best}` is no iteration of {all} trees");
            self.invalid("`best_iteration`".to_owned(), problem)
        };
        let n_iterations =
            best.parse::<usize>().ok().and_then(|best| best.checked_add(1)).ok_or_else(wrong)?;
        let parallel = (booster.gbtree_model_param.num_parallel_tree.0 as usize).max(1);
        n_iterations.checked_mul(parallel).filter(|&n_trees| n_trees <= all).ok_or_else(wrong)
    }

    fn tree(&self, number: usize, nodes: &Nodes, n_features: usize) -> Result<Tree, ModelError> {
        if nodes.tree_param.size_leaf_vector.0 > 1 {
            let size = nodes.tree_param.size_leaf_vector.0.to_string();
            return Err(self.unsupported("size_leaf_vector", size, "train one output per tree"));
        }
        tree(nodes, n_features)
            .map_err(|(field, problem)| self.invalid(format!("tree {number}, `{field}`"), problem))
    }

    /// The function on top of the sum, and where the sum begins.
    fn output(&self) -> Result<(Output, f64), ModelError> {
        let objective = self.learner.objective.name.as_str();
        let [base] = self.learner.learner_model_param.base_score.0[..] else {
            return Err(self.invalid("`base_score`".to_owned(), "several, where one belongs".to_owned()));
        };
        let logit = |p: f32| -> f32 { -(1.0 / p - 1.0).ln() };
        let (output, start) = match objective {
            "reg:squarederror"
            | "reg:linear"
            | "reg:squaredlogerror"
            | "reg:pseudohubererror"
            | "reg:absoluteerror"
            | "reg:quantileerror"
            | "rank:pairwise"
            | "rank:ndcg"
            | "rank:map"
            | "binary:logitraw" => (Output::Identity, base),
            "reg:logistic" | "binary:logistic" => (Output::Sigmoid(1.0), logit(base)),
            "binary:hinge" => (Output::Step, base),
            "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
                (Output::Exp, base.ln())
            }
            _ => {
                let instead = "known are reg:*, binary:*, rank:*, count:poisson and survival:*";
                return Err(self.unsupported("objective", objective.to_owned(), instead));
            }
        };
        if start.is_finite() {
            return Ok((output, f64::from(start)));
        }
        let problem = format!("{base} is no start for {objective}");
        Err(self.invalid("`base_score`".to_owned(), problem))
    }

    fn invalid(&self, place: String, problem: String) -> ModelError {
        ModelError::Invalid { model: Arc::clone(self.model), place, problem }
    }

    fn unsupported(&self, field: &'static str, value: String, instead: &str) -> ModelError {
        ModelError::Unsupported { model: Arc::clone(self.model), field, value, instead: instead.to_owned() }
    }
}

/// The nodes as a tree; else the field that is wrong, and why.
fn tree(nodes: &Nodes, n_features: usize) -> Result<Tree, (&'static str, String)> {
    let n_nodes = nodes.left_children.len();
    let lengths = [
        ("right_children", nodes.right_children.len()),
        ("split_indices", nodes.split_indices.len()),
        ("split_conditions", nodes.split_conditions.len()),
        ("default_left", nodes.default_left.len()),
    ];
    if let Some((field, len)) = lengths.into_iter().find(|&(_, len)| len != n_nodes) {
        return Err((field, format!("{len} values for {n_nodes} nodes")));
    }
    if n_nodes == 0 {
        return Err(("left_children", "no nodes, a tree has at least one".to_owned()));
    }
    let sets = sets(nodes)?;
    // Both kinds of nodes keep the number they have in the file; what the root does not lead to is dropped.
    let child = |node: i32| match nodes.left_children.get(node as usize) {
        Some(-1) => Child::Leaf(node as u32),
        _ => Child::Split(node as u32),
    };
    let split = |node: usize| {
        let (left, right) = (nodes.left_children[node], nodes.right_children[node]);
        let (feature, threshold) = (nodes.split_indices[node], nodes.split_conditions[node]);
        let missing_left = nodes.default_left[node].0;
        if left == -1 {
            // No child leads here as to a split.
            let rule = Rule::AtMost { threshold: 0.0, missing_left };
            return Ok(Split { feature: 0, rule, left: Child::Leaf(0), right: Child::Leaf(0) });
        }
        if feature as usize >= n_features {
            return Err(("split_indices", format!("{feature} of {n_features} features")));
        }
        match sets.get(node) {
            // Members go right here, and left in our rules.
            Some(Some(categories)) => {
                let rule = Rule::OneOf { categories: categories.clone(), missing_left: !missing_left };
                Ok(Split { feature, rule, left: child(right), right: child(left) })
            }
            _ if threshold.is_nan() => Err(("split_conditions", format!("node {node} is not a number"))),
            // Left is what is below, which is what is at most the number before.
            _ => {
                let rule = Rule::AtMost { threshold: threshold.next_down(), missing_left };
                Ok(Split { feature, rule, left: child(left), right: child(right) })
            }
        }
    };
    let splits: Vec<Split> = (0..n_nodes).map(split).collect::<Result<_, _>>()?;
    let leaves: Vec<f64> = nodes.split_conditions.iter().map(|&value| f64::from(value)).collect();
    let tree = Tree::new(child(0), splits, &leaves).map_err(|problem| ("left_children", problem))?;
    match tree.leaves.iter().find(|leaf| !leaf.is_finite()) {
        Some(leaf) => Err(("split_conditions", format!("{leaf} as a leaf is not a finite number"))),
        None => Ok(tree),
    }
}

/// The categories of each node that splits by them; nothing where no node does.
fn sets(nodes: &Nodes) -> Result<Vec<Option<Categories>>, (&'static str, String)> {
    let n_sets = nodes.categories_nodes.len();
    if n_sets == 0 {
        return match nodes.split_type.iter().position(|&kind| kind != 0) {
            Some(node) => Err(("split_type", format!("node {node} splits by categories, but has none"))),
            None => Ok(Vec::new()),
        };
    }
    let mut sets = vec![None; nodes.left_children.len()];
    let ranges = nodes.categories_segments.iter().zip(&nodes.categories_sizes);
    if nodes.categories_segments.len() != n_sets || nodes.categories_sizes.len() != n_sets {
        return Err(("categories_segments", format!("it and `categories_sizes` must have {n_sets} values")));
    }
    for (&node, (&first, &len)) in nodes.categories_nodes.iter().zip(ranges) {
        let members = usize::try_from(first).ok().zip(usize::try_from(len).ok());
        let members = members.and_then(|(first, len)| nodes.categories.get(first..first.checked_add(len)?));
        let members = members.ok_or_else(|| ("categories", format!("no {len} from {first} on")))?;
        let members = members.iter().filter_map(|&member| u32::try_from(member).ok());
        let n_nodes = sets.len();
        let set = usize::try_from(node).ok().and_then(|node| sets.get_mut(node));
        *set.ok_or_else(|| ("categories_nodes", format!("{node} of {n_nodes} nodes")))? =
            Some(Categories::new(members, false));
    }
    Ok(sets)
}
