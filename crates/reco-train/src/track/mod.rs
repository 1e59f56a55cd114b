//! The log of training runs: what was tried, with which data and settings, and what came of it.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod folder;
mod forward;
mod record;
#[cfg(test)]
mod tests;

pub use folder::FolderTracker;
pub use record::{Metric, Outcome, RunId, RunRecord, RunStart, Status, flattened};

use reco_core::error::BoxError;
use std::fmt::Debug;

/// Where runs are logged: a folder ([`FolderTracker`]), or a service that people look at.
///
/// Calls wait until what they were told is safe. Training takes minutes and says little, so none of this is
/// asynchronous; a tracker that talks to another machine waits for it. One that is out of reach is no reason to lose
/// a trained model: `reco_train::flow` notes what a further tracker says in error and goes on.
///
/// ```
/// use reco_train::track::{Metric, Outcome, RunId, RunStart, RunTracker, TrackError};
/// use std::sync::Mutex;
///
/// /// Keeps one line per metric, as a service would be sent.
/// #[derive(Debug, Default)]
/// struct Lines(Mutex<Vec<String>>);
///
/// impl RunTracker for Lines {
///     fn name(&self) -> &'static str {
///         "lines"
///     }
///     fn begin(&self, run: &RunStart) -> Result<(), TrackError> {
///         self.0.lock().unwrap().push(format!("{} begins with {} parameters", run.id, run.parameters.len()));
///         Ok(())
///     }
///     fn log(&self, run: &RunId, metrics: &[Metric]) -> Result<(), TrackError> {
///         let line = |metric: &Metric| format!("{run} {}/{} {}", metric.part, metric.name, metric.value);
///         self.0.lock().unwrap().extend(metrics.iter().map(line));
///         Ok(())
///     }
///     fn attach(&self, run: &RunId, name: &str, bytes: &[u8]) -> Result<(), TrackError> {
///         self.0.lock().unwrap().push(format!("{run} has {name} of {} bytes", bytes.len()));
///         Ok(())
///     }
///     fn end(&self, run: &RunId, outcome: &Outcome) -> Result<(), TrackError> {
///         self.0.lock().unwrap().push(format!("{run} {}", outcome.status()));
///         Ok(())
///     }
/// }
///
/// let (lines, run) = (Lines::default(), "monday".parse::<RunId>()?);
/// lines.begin(&RunStart::new(run.clone(), "shop"))?;
/// lines.log(&run, &[Metric::new("test", "pipeline", "ndcg@10", 0.25)])?;
/// lines.end(&run, &Outcome::Finished)?;
/// assert_eq!(lines.0.lock().unwrap()[1..], ["monday test/ndcg@10 0.25", "monday finished"]);
/// # Ok::<(), TrackError>(())
/// ```
pub trait RunTracker: Debug + Send + Sync {
    /// What it is called in messages.
    fn name(&self) -> &'static str;

    /// Begins a run, or goes on with the one of this id: what it logged before stays.
    ///
    /// # Errors
    ///
    /// [`TrackError::Store`] when the log cannot be reached or written.
    fn begin(&self, run: &RunStart) -> Result<(), TrackError>;

    /// Appends measurements, all or none. A run that goes on may say the same again; the last one holds.
    ///
    /// # Errors
    ///
    /// [`TrackError::Unknown`] for a run that was never begun, [`TrackError::Store`] as above.
    fn log(&self, run: &RunId, metrics: &[Metric]) -> Result<(), TrackError>;

    /// Keeps a file with the run, in place of one of the same name. Names are plain: no folders.
    ///
    /// # Errors
    ///
    /// [`TrackError::Name`] for any other name, [`TrackError::Unknown`] and [`TrackError::Store`] as above.
    fn attach(&self, run: &RunId, name: &str, bytes: &[u8]) -> Result<(), TrackError>;

    /// Says how the run ended. A run that is begun again goes on.
    ///
    /// # Errors
    ///
    /// [`TrackError::Unknown`] and [`TrackError::Store`] as above.
    fn end(&self, run: &RunId, outcome: &Outcome) -> Result<(), TrackError>;
}

/// Why a run cannot be logged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// No run of this id was begun.
    #[error("there is no run `{0}`")]
    Unknown(RunId),
    /// A name that could lead elsewhere.
    #[error("`{0}` is no plain name: letters, digits, `-`, `_` and `.`, not first")]
    Name(String),
    /// The log cannot be read or written.
    #[error("{place}: {cause}")]
    Store {
        /// What of it.
        place: String,
        /// Why.
        cause: BoxError,
    },
}
