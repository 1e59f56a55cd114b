//! Models of LightGBM, from the text that `save_model` writes.

mod fields;

use super::TreeModel;
use super::forest::{Forest, Sum};
use super::output::Output;
use super::tree::{Categories, Child, Rule, Split, Tree};
use crate::rank::dense::ModelError;
use fields::Fields;
use std::sync::Arc;

/// First line of the file.
const MAGIC: &[u8] = b"tree";

/// Versions of the format, the newest last.
const VERSIONS: [&str; 3] = ["v2", "v3", "v4"];

/// Values up to this in size are zero to LightGBM.
const SMALLEST: f32 = 1e-35;

/// Bits of a split's `decision_type`; the next two are the [`Missing`].
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

/// Whether these are the bytes of such a file.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.strip_prefix(MAGIC).is_some_and(|rest| matches!(rest.first(), None | Some(b'\n' | b'\r')))
}

/// Reads a model.
pub(super) fn read(model: &Arc<str>, bytes: &[u8]) -> Result<TreeModel, ModelError> {
    let sections = fields::sections(model, bytes)?;
    let [header, trees @ ..] = sections.as_slice() else {
        return Err(ModelError::Truncated { model: Arc::clone(model), missing: "the header".into() });
    };
    check_version(header)?;
    for field in ["num_class", "num_tree_per_iteration"] {
        let n_scores: u32 = header.number(field)?;
        if n_scores != 1 {
            let instead = "a ranker gives one score: train for regression, ranking or two classes";
            return Err(header.unsupported("num_tree_per_iteration", n_scores.to_string(), instead));
        }
    }
    let features: Vec<Arc<str>> = header.words("feature_names")?.map(Arc::from).collect();
    let last: usize = header.number("max_feature_idx")?;
    if last.checked_add(1) != Some(features.len()) {
        let problem = format!("{} names for the features 0 to {last}", features.len());
        return Err(header.invalid("feature_names", problem));
    }
    if let Some(sizes) = header.optional("tree_sizes").map(|sizes| sizes.split_ascii_whitespace().count())
        && sizes != trees.len()
    {
        return Err(header.invalid("tree_sizes", format!("{sizes} trees, but {} follow", trees.len())));
    }
    let output = output(header)?;
    let mut trees: Vec<Tree> =
        trees.iter().map(|section| tree(section, features.len())).collect::<Result<_, _>>()?;
    if header.has("average_output") {
        let share = 1.0 / trees.len().max(1) as f64;
        trees.iter_mut().flat_map(|tree| &mut tree.leaves).for_each(|leaf| *leaf *= share);
    }
    let forest = Forest::new(&trees, 0.0, SMALLEST, Sum::Double);
    Ok(TreeModel { kind: "lightgbm", features, forest, output })
}

fn check_version(header: &Fields<'_>) -> Result<(), ModelError> {
    let version = header.required("version")?;
    let number = |version: &str| version.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
    let newest = VERSIONS[VERSIONS.len() - 1];
    if VERSIONS.contains(&version) {
        Ok(())
    } else if number(version) > number(newest) {
        let (model, found) = (Arc::clone(header.model()), version.to_owned());
        Err(ModelError::Newer { model, format: "LightGBM text", found, known: newest })
    } else {
        Err(header.invalid("version", format!("`{version}`, not one of {}", VERSIONS.join(", "))))
    }
}

/// What the objective does to the sum; models of one's own objective have none.
fn output(header: &Fields<'_>) -> Result<Output, ModelError> {
    let mut words = header.optional("objective").unwrap_or("custom").split_ascii_whitespace();
    let (objective, options) = (words.next().unwrap_or("custom"), words.collect::<Vec<&str>>());
    let is_root = options.contains(&"sqrt");
    let output = match objective {
        "regression" | "regression_l2" | "regression_l1" | "huber" | "fair" | "quantile" | "mape"
            if is_root =>
        {
            Output::SignedSquare
        }
        "regression" | "regression_l2" | "regression_l1" | "huber" | "fair" | "quantile" | "mape"
        | "lambdarank" | "rank_xendcg" | "custom" | "none" => Output::Identity,
        "binary" => Output::Sigmoid(sigmoid(header, &options)?),
        "cross_entropy" | "xentropy" => Output::Sigmoid(1.0),
        "cross_entropy_lambda" | "xentlambda" => Output::Softplus,
        "poisson" | "gamma" | "tweedie" => Output::Exp,
        _ => {
            let instead = "known are regression, regression_l1, huber, fair, quantile, mape, poisson, gamma, tweedie, \
                 binary, cross_entropy, cross_entropy_lambda, lambdarank and rank_xendcg";
            return Err(header.unsupported("objective", objective.to_owned(), instead));
        }
    };
    Ok(output)
}

/// The scale of the logistic function, from the objective's options.
fn sigmoid(header: &Fields<'_>, options: &[&str]) -> Result<f64, ModelError> {
    let Some(scale) = options.iter().find_map(|option| option.strip_prefix("sigmoid:")) else {
        return Ok(1.0);
    };
    match scale.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(header.invalid("objective", format!("`sigmoid:{scale}`, not a number above 0"))),
    }
}

/// One section of a tree.
fn tree(section: &Fields<'_>, n_features: usize) -> Result<Tree, ModelError> {
    if section.optional("is_linear").is_some_and(|is_linear| is_linear != "0") {
        let instead = "train without `linear_tree`: the leaves must be numbers";
        return Err(section.unsupported("linear_tree", "true".to_owned(), instead));
    }
    let n_leaves: usize = section.number("num_leaves")?;
    let leaves: Vec<f64> = section.numbers("leaf_value", n_leaves)?;
    if let Some(leaf) = leaves.iter().find(|leaf| !leaf.is_finite()) {
        return Err(section.invalid("leaf_value", format!("{leaf} is not a finite number")));
    }
    let splits = match n_leaves {
        0 => return Err(section.invalid("num_leaves", "0, a tree has at least one leaf".to_owned())),
        1 => Vec::new(),
        _ => splits(section, n_leaves - 1, n_features)?,
    };
    let root = if splits.is_empty() { Child::Leaf(0) } else { Child::Split(0) };
    Tree::new(root, splits, &leaves).map_err(|problem| section.invalid("left_child, right_child", problem))
}

fn splits(section: &Fields<'_>, n_splits: usize, n_features: usize) -> Result<Vec<Split>, ModelError> {
    let features: Vec<u32> = section.numbers("split_feature", n_splits)?;
    let thresholds: Vec<f64> = section.numbers("threshold", n_splits)?;
    let decisions: Vec<u8> = section.numbers("decision_type", n_splits)?;
    let lefts: Vec<i32> = section.numbers("left_child", n_splits)?;
    let rights: Vec<i32> = section.numbers("right_child", n_splits)?;
    let sets = sets(section)?;
    let split = |at: usize| {
        let feature = features[at];
        if feature as usize >= n_features {
            return Err(section.invalid("split_feature", format!("{feature} of {n_features} features")));
        }
        let rule = if decisions[at] & CATEGORICAL == 0 {
            by_threshold(decisions[at], thresholds[at])
        } else {
            let set = sets.get(thresholds[at] as usize).filter(|_| thresholds[at] >= 0.0);
            set.map(|set| Rule::OneOf { categories: set.clone(), missing_left: false })
        };
        let rule = rule.ok_or_else(|| {
            let problem = format!("{} with decision_type {} is no rule", thresholds[at], decisions[at]);
            section.invalid("threshold", problem)
        })?;
        Ok(Split { feature, rule, left: child(lefts[at]), right: child(rights[at]) })
    };
    (0..n_splits).map(split).collect()
}

/// The rule of a split by threshold; `None` where there is none of that kind.
fn by_threshold(decision: u8, threshold: f64) -> Option<Rule> {
    if threshold.is_nan() {
        return None;
    }
    let missing_left = decision & DEFAULT_LEFT != 0;
    let zero_left = threshold >= 0.0;
    let threshold = rounded_down(threshold);
    match decision >> 2 & 3 {
        // Without missing values, NaN is zero.
        0 => Some(Rule::AtMost { threshold, missing_left: zero_left }),
        1 if zero_left != missing_left => Some(Rule::ZeroIsMissing { threshold, missing_left }),
        1 | 2 => Some(Rule::AtMost { threshold, missing_left }),
        _ => None,
    }
}

/// The largest number of single precision that is not above the threshold: no value lies between them.
fn rounded_down(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
}

/// Leaves are the negative numbers.
fn child(number: i32) -> Child {
    if number < 0 { Child::Leaf(!number as u32) } else { Child::Split(number as u32) }
}

/// The sets of categories of a tree, which its splits name by their places.
fn sets(section: &Fields<'_>) -> Result<Vec<Categories>, ModelError> {
    let n_sets: usize = section.number("num_cat")?;
    if n_sets == 0 {
        return Ok(Vec::new());
    }
    let bounds: Vec<usize> = section.numbers("cat_boundaries", n_sets.saturating_add(1))?;
    let n_words = bounds.last().copied().unwrap_or(0);
    let words: Vec<u32> = section.numbers("cat_threshold", n_words)?;
    let set = |bounds: &[usize]| {
        let words = words.get(bounds[0]..bounds[1]);
        let words = words.ok_or_else(|| section.invalid("cat_boundaries", "they must rise".to_owned()))?;
        Ok(Categories::new(members(words), true))
    };
    bounds.windows(2).map(set).collect()
}

/// The numbers of the bits that are set.
fn members(words: &[u32]) -> impl Iterator<Item = u32> + '_ {
    let bits = |(word, &bits): (u32, &u32)| {
        (0..u32::BITS).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * u32::BITS + bit)
    };
    (0..).zip(words).flat_map(bits)
}
