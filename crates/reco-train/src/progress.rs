//! Progress of long work, told to whoever watches.

/// Hears how far long work has come. Implementations draw bars, write logs or ignore it.
pub trait Progress: Send + Sync {
    /// A stage of `total` steps begins; the one before is over.
    fn begin(&self, stage: &str, total: u64);
    /// `steps` more of the current stage are done.
    fn advance(&self, steps: u64);
    /// The current stage is over; `note` says what came out of it.
    fn end(&self, note: &str);
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
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self, _: &str) {}
}
