//! Models that score rows of features, whoever trained them.

use super::trees::TreeModel;
use crate::error::BoxError;
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A model that scores rows of features.
///
/// ```
/// use reco_core::rank::{DenseModel, ModelError};
/// use std::sync::Arc;
///
/// /// A weighted sum in which what is missing counts nothing.
/// #[derive(Debug)]
/// struct Linear {
///     features: Vec<Arc<str>>,
///     weights: Vec<f32>,
/// }
///
/// impl DenseModel for Linear {
///     fn kind(&self) -> &'static str {
///         "linear"
///     }
///     fn features(&self) -> &[Arc<str>] {
///         &self.features
///     }
///     fn predict(&self, rows: &[f32], scores: &mut [f32]) -> Result<(), ModelError> {
///         ModelError::check_shape(self, rows, scores)?;
///         for (row, score) in rows.chunks_exact(self.weights.len()).zip(scores) {
///             let known = row.iter().zip(&self.weights).filter(|(value, _)| !value.is_nan());
///             *score = known.map(|(value, weight)| value * weight).sum();
///         }
///         Ok(())
///     }
/// }
///
/// let model = Linear { features: vec!["price".into(), "age".into()], weights: vec![-1.0, 0.5] };
/// let mut scores = [0.0; 2];
/// model.predict(&[2.0, 4.0, 3.0, f32::NAN], &mut scores)?;
/// assert_eq!(scores, [0.0, -3.0]);
/// assert!(model.predict(&[2.0, 4.0, 3.0], &mut scores).is_err(), "two rows are four values");
/// # Ok::<(), ModelError>(())
/// ```
pub trait DenseModel: Debug + Send + Sync + 'static {
    /// What kind of model it is, for logs: `lightgbm`, `xgboost`, `onnx`, `wide_deep`, `boosted`.
    fn kind(&self) -> &'static str;

    /// Its features in the order of its columns, as its file names them.
    fn features(&self) -> &[Arc<str>];

    /// Overwrites every score with what the model's original would predict for that row by default.
    ///
    /// `rows` is row after row, each of as many values as there are [`features`](Self::features); NaN is
    /// missing.
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] when `rows` is not that long, [`ModelError::Run`] when a foreign runtime fails;
    /// the scores are to be discarded then.
    fn predict(&self, rows: &[f32], scores: &mut [f32]) -> Result<(), ModelError>;
}

/// Reads a model of any kind that is scored here: ONNX where the name ends in `.onnx`, else LightGBM or XGBoost.
///
/// # Errors
///
/// [`ModelError`] for a file that cannot be read or that is something else.
pub fn open_model(path: &Path) -> Result<Arc<dyn DenseModel>, ModelError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
        return onnx(path);
    }
    Ok(Arc::new(TreeModel::open(path)?))
}

#[cfg(feature = "onnx")]
fn onnx(path: &Path) -> Result<Arc<dyn DenseModel>, ModelError> {
    Ok(Arc::new(super::OnnxModel::open(path)?))
}

#[cfg(not(feature = "onnx"))]
fn onnx(path: &Path) -> Result<Arc<dyn DenseModel>, ModelError> {
    Err(ModelError::Unsupported {
        model: path.display().to_string().into(),
        field: "its format",
        value: "ONNX".to_owned(),
        instead: "build reco with the feature `onnx`".to_owned(),
    })
}

/// Why a model was refused or did not score. `model` is its file, or the name it was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file cannot be read.
    #[error("{model}: {source}")]
    Io {
        /// Which model.
        model: Arc<str>,
        /// Why.
        source: io::Error,
    },
    /// It is the file of something else.
    #[error("{model}: {found}, where {wanted} would do")]
    Foreign {
        /// Which model.
        model: Arc<str>,
        /// What it looks like.
        found: String,
        /// What would be right, and how to get it.
        wanted: &'static str,
    },
    /// A newer version of its library wrote it.
    #[error("{model}: {format} of version {found}, known up to {known}")]
    Newer {
        /// Which model.
        model: Arc<str>,
        /// Whose format it is.
        format: &'static str,
        /// Its version.
        found: String,
        /// The newest version known here.
        known: &'static str,
    },
    /// Its end is missing.
    #[error("{model}: cut short: {missing} is missing")]
    Truncated {
        /// Which model.
        model: Arc<str>,
        /// What should have come.
        missing: String,
    },
    /// It is damaged.
    #[error("{model}: {place}: {problem}")]
    Invalid {
        /// Which model.
        model: Arc<str>,
        /// The line or tree, and the field.
        place: String,
        /// What stands there, and what would be right.
        problem: String,
    },
    /// It is sound, but of a kind that is not scored here.
    #[error("{model}: {field} is {value}; {instead}")]
    Unsupported {
        /// Which model.
        model: Arc<str>,
        /// What decides on its kind.
        field: &'static str,
        /// What it says.
        value: String,
        /// What would be right.
        instead: String,
    },
    /// The rows are not as wide as the model.
    #[error("{kind} of {n_features} features: {n_scores} rows need {} values, not {n_values}", n_scores * n_features)]
    Shape {
        /// The model's kind.
        kind: &'static str,
        /// Features of the model.
        n_features: usize,
        /// Scores asked for.
        n_scores: usize,
        /// Values given.
        n_values: usize,
    },
    /// The runtime that executes it failed.
    #[error("{model}: {source}")]
    Run {
        /// Which model.
        model: Arc<str>,
        /// The runtime's own error.
        source: BoxError,
    },
}

impl ModelError {
    /// That `rows` holds as many values as `scores` need; for implementations of [`DenseModel::predict`].
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] when it does not.
    pub fn check_shape(model: &(impl DenseModel + ?Sized), rows: &[f32], scores: &[f32]) -> Result<(), Self> {
        let (n_features, n_scores, n_values) = (model.features().len(), scores.len(), rows.len());
        if n_scores.checked_mul(n_features) == Some(n_values) {
            Ok(())
        } else {
            Err(Self::Shape { kind: model.kind(), n_features, n_scores, n_values })
        }
    }
}
