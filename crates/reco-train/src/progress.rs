//! Progress of long work, told to whoever watches.

use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Hears how far long work has come. Implementations draw bars, write logs or ignore it.
pub trait Progress: Send + Sync {
    /// A stage of `total` steps begins; the one before is over.
    fn begin(&self, stage: &str, total: u64);
    /// `steps` more of the current stage are done.
    fn advance(&self, steps: u64);
    /// The current stage is over; `note` says what came out of it.
    fn end(&self, note: &str);
    /// A model that learns in `step`s has come to `value` by a measure such as `ndcg@10`; step 1 is the first. Most
    /// who watch do not draw curves, so this does nothing unless written.
    fn point(&self, _model: &str, _measure: &str, _step: u64, _value: f64) {}
    /// What to know about what is made once the work is over, such as a model that was left out. It was told as a
    /// stage, too, so this does nothing unless written.
    fn remark(&self, _line: &str) {}
}

/// Says that something was left out or done otherwise than asked: as a stage of its own, and for good.
pub(crate) fn remarked(progress: &dyn Progress, what: &str, line: &str) {
    progress.begin(what, 0);
    progress.end(line);
    progress.remark(&format!("{what}: {line}"));
}

/// Progress whose stages are named with something before.
pub(crate) struct Prefixed<'a> {
    prefix: &'a str,
    progress: &'a dyn Progress,
}

impl<'a> Prefixed<'a> {
    pub(crate) fn new(prefix: &'a str, progress: &'a dyn Progress) -> Self {
        Self { prefix, progress }
    }
}

impl Progress for Prefixed<'_> {
    fn begin(&self, stage: &str, total: u64) {
        self.progress.begin(&format!("{}{stage}", self.prefix), total);
    }

    fn advance(&self, steps: u64) {
        self.progress.advance(steps);
    }

    fn end(&self, note: &str) {
        self.progress.end(note);
    }

    fn point(&self, model: &str, measure: &str, step: u64, value: f64) {
        self.progress.point(model, measure, step, value);
    }

    fn remark(&self, line: &str) {
        self.progress.remark(line);
    }
}

/// Keeps the points of curves and all remarks, and passes everything on.
pub struct Recorded<'a> {
    progress: &'a dyn Progress,
    points: Mutex<Vec<Point>>,
    remarks: Mutex<Vec<String>>,
}

/// Model, measure, step and value.
pub type Point = (String, String, u64, f64);

impl<'a> Recorded<'a> {
    /// Listens to what is told to `progress`.
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, points: Mutex::default(), remarks: Mutex::default() }
    }

    /// What was told, in its order: points and remarks.
    pub fn into_told(self) -> (Vec<Point>, Vec<String>) {
        let points = self.points.into_inner().unwrap_or_else(PoisonError::into_inner);
        (points, self.remarks.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Recorded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("points", &self.points).field("remarks", &self.remarks).finish()
    }
}

impl Progress for Recorded<'_> {
    fn begin(&self, stage: &str, total: u64) {
        self.progress.begin(stage, total);
    }

    fn advance(&self, steps: u64) {
        self.progress.advance(steps);
    }

    fn end(&self, note: &str) {
        self.progress.end(note);
    }

    fn point(&self, model: &str, measure: &str, step: u64, value: f64) {
        let point = (model.to_owned(), measure.to_owned(), step, value);
        self.points.lock().unwrap_or_else(PoisonError::into_inner).push(point);
        self.progress.point(model, measure, step, value);
    }

    fn remark(&self, line: &str) {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        self.progress.remark(line);
    }
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self, _: &str) {}
}
