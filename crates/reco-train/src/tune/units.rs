//! Numbers on a scale from 0 to 1.

/// A stretch of numbers, even by difference or by factor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// `min` is below `max`, and above 0 where `log`.
    pub(super) fn new(min: f64, max: f64, log: bool) -> Self {
        let at = |value: f64| if log { value.ln() } else { value };
        Self { from: at(min), to: at(max), log }
    }

    pub(super) fn value(self, place: f64) -> f64 {
        let value = self.from + place * (self.to - self.from);
        if self.log { value.exp() } else { value }
    }

    /// Between 0 and 1 for what lies on the stretch.
    pub(super) fn place(self, value: f64) -> f64 {
        let value = if self.log { value.ln() } else { value };
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

/// Four significant digits, which people can read and no search needs more of.
pub(super) fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
