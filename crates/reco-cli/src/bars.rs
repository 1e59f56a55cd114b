//! Progress bars on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use reco_train::progress::Progress;
use std::sync::Mutex;
use std::time::Duration;

/// Draws one bar at a time; a finished stage leaves its line behind.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    current: Mutex<Option<ProgressBar>>,
}

impl Bars {
    fn with_current(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        act(&mut self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Progress for Bars {
    fn begin(&self, stage: &str, total: u64) {
        let style = "{spinner:.cyan} {msg:28} {bar:30.cyan/dim} {percent:>3}% {elapsed:>4} eta {eta}";
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total).with_style(style).with_message(stage.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        self.with_current(|current| *current = Some(bar));
    }

    fn advance(&self, steps: u64) {
        self.with_current(|current| {
            if let Some(bar) = current {
                bar.inc(steps);
            }
        });
    }

    fn end(&self, note: &str) {
        self.with_current(|current| {
            if let Some(bar) = current.take() {
                let stage = bar.message();
                let seconds = bar.elapsed().as_secs_f64();
                bar.finish_and_clear();
                bar.println(format!("\u{2713} {stage:28} {seconds:>6.2} s  {note}"));
            }
        });
    }
}

/// Says what is done line by line, where no bars can be drawn: logs, pipes.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    stage: Mutex<Option<(String, std::time::Instant)>>,
}

impl Progress for Lines {
    fn begin(&self, stage: &str, _: u64) {
        let mut current = self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *current = Some((stage.to_owned(), std::time::Instant::now()));
    }

    fn advance(&self, _: u64) {}

    fn end(&self, note: &str) {
        let mut current = self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((stage, begun)) = current.take() {
            crate::output::say(&format!("{stage:28} {:>6.2} s  {note}", begun.elapsed().as_secs_f64()));
        }
    }
}
