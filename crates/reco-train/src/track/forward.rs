//! The trait holds for what points to an implementation.

use super::{Metric, Outcome, RunId, RunStart, RunTracker, TrackError};
use std::sync::Arc;

macro_rules! forward {
    ($($pointer:ident),*) => {$(
        impl<T: RunTracker + ?Sized> RunTracker for $pointer<T> {
            fn name(&self) -> &'static str {
                (**self).name()
            }

            fn begin(&self, run: &RunStart) -> Result<(), TrackError> {
                (**self).begin(run)
            }

            fn log(&self, run: &RunId, metrics: &[Metric]) -> Result<(), TrackError> {
                (**self).log(run, metrics)
            }

            fn attach(&self, run: &RunId, name: &str, bytes: &[u8]) -> Result<(), TrackError> {
                (**self).attach(run, name, bytes)
            }

            fn end(&self, run: &RunId, outcome: &Outcome) -> Result<(), TrackError> {
                (**self).end(run, outcome)
            }
        }
    )*};
}

forward!(Arc, Box);
