//! Gradient-boosted trees: those that training grew, and those from the files of LightGBM and XGBoost.

mod boosted;
mod forest;
mod lightgbm;
mod masks;
mod output;
mod tree;
mod walk;
mod xgboost;

pub use boosted::{Boosted, BoostedWeights, Branch, GrownTree, Side, Start, TreesError};

use super::dense::{DenseModel, ModelError};
use forest::Forest;
use output::Output;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// An ensemble of decision trees, read from the file that its library saved.
///
/// It scores as the library's own `predict` does, to 1e-6: transformed as the objective says (probabilities for
/// `binary`, counts for `poisson`), as it is for ranking.
///
/// ```
/// use reco_core::rank::{DenseModel, ModelError, trees::TreeModel};
///
/// // One split, as LightGBM writes it: cheap and liked is good.
/// let file = b"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n\
///     objective=lambdarank\nfeature_names=price likes\n\n\
///     Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=1\nthreshold=3.5\ndecision_type=8\n\
///     left_child=-1\nright_child=-2\nleaf_value=-0.25 0.5\n\nend of trees\n";
/// let model = TreeModel::from_bytes("liked.txt", file)?;
/// let mut scores = [0.0; 2];
/// model.predict(&[9.9, 3.0, 9.9, 4.0], &mut scores)?;
/// assert_eq!(scores, [-0.25, 0.5]);
/// # Ok::<(), ModelError>(())
/// ```
pub struct TreeModel {
    kind: &'static str,
    features: Vec<Arc<str>>,
    forest: Forest,
    output: Output,
}

impl TreeModel {
    /// Reads a file that LightGBM saved as text, or XGBoost as JSON or UBJSON.
    ///
    /// Where XGBoost stopped training early, the trees up to the best iteration count, as for the `predict` of
    /// `XGBRanker` and its kin (`Booster.predict` takes all of them).
    ///
    /// # Errors
    ///
    /// When it cannot be read or is not sound; says where, and what would be right.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let model: Arc<str> = path.display().to_string().into();
        let bytes =
            std::fs::read(path).map_err(|source| ModelError::Io { model: Arc::clone(&model), source })?;
        Self::read(model, &bytes)
    }

    /// Reads the bytes of such a file; `name` is for messages.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        Self::read(name.into(), bytes)
    }

    fn read(model: Arc<str>, bytes: &[u8]) -> Result<Self, ModelError> {
        if lightgbm::is_one(bytes) {
            return lightgbm::read(&model, bytes);
        }
        if xgboost::is_one(bytes) {
            return xgboost::read(&model, bytes);
        }
        Err(ModelError::Foreign { model, found: looks_like(bytes).to_owned(), wanted: WANTED })
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        self.forest.n_trees()
    }
}

const WANTED: &str =
    "LightGBM's `booster.save_model(\"model.txt\")` or XGBoost's `booster.save_model(\"model.json\")`";

/// What a file that is neither may be, by how it begins.
fn looks_like(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "an empty file",
        [0x80, 2..=5, ..] => "a pickle of Python, perhaps by joblib",
        [b'P', b'K', ..] => "a zip archive",
        [b'b', b'i', b'n', b'f', ..] => "XGBoost's old binary format",
        _ => "no model of trees that is known here",
    }
}

/// Without the trees, of which there are many.
impl fmt::Debug for TreeModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeModel")
            .field("kind", &self.kind)
            .field("features", &self.features)
            .field("n_trees", &self.n_trees())
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

impl DenseModel for TreeModel {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn features(&self) -> &[Arc<str>] {
        &self.features
    }

    fn predict(&self, rows: &[f32], scores: &mut [f32]) -> Result<(), ModelError> {
        ModelError::check_shape(self, rows, scores)?;
        self.forest.sums(rows, self.features.len(), scores, |sum| self.output.of(sum));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
