//! Values that cannot be meant.

use super::Cleaned;
use reco_core::interactions::InteractionLog;
use std::collections::BTreeMap;

/// Makes the median distance the standard deviation where values are normal.
const NORMAL: f32 = 1.4826;

/// Takes out rows whose value is infinite or absurd for its action, and counts them.
pub(super) fn remove(log: &InteractionLog, rows: &mut Vec<u32>, farthest: f32, cleaned: &mut Cleaned) {
    let usual: Vec<Option<Usual>> = (0..log.actions.len()).map(|code| Usual::of(log, rows, code)).collect();
    let count = |counts: &mut BTreeMap<String, usize>, code: usize| {
        *counts.entry(log.actions[code].name().to_owned()).or_default() += 1;
    };
    rows.retain(|&row| {
        let (value, code) = (log.value[row as usize], usize::from(log.action[row as usize]));
        if value.is_infinite() {
            count(&mut cleaned.not_finite, code);
            return false;
        }
        let is_absurd =
            farthest > 0.0 && usual[code].as_ref().is_some_and(|usual| usual.distance(value) > farthest);
        if is_absurd {
            count(&mut cleaned.outliers, code);
        }
        !is_absurd
    });
}

/// Where the values of an action lie, and how far apart, on a logarithmic scale.
struct Usual {
    median: f32,
    spread: f32,
}

impl Usual {
    /// `None` for an action without values.
    fn of(log: &InteractionLog, rows: &[u32], code: usize) -> Option<Self> {
        let of_action =
            rows.iter().map(|&row| row as usize).filter(|&row| usize::from(log.action[row]) == code);
        let mut values: Vec<f32> =
            of_action.map(|row| log.value[row]).filter(|value| value.is_finite()).map(on_scale).collect();
        let median = median(&mut values)?;
        let mut distances: Vec<f32> = values.iter().map(|value| (value - median).abs()).collect();
        let spread = NORMAL * self::median(&mut distances)?;
        Some(Self { median, spread: spread.max(std::f32::consts::LN_2) })
    }

    /// Spreads between a value and the median; NaN for a missing one, which is far from nothing.
    fn distance(&self, value: f32) -> f32 {
        (on_scale(value) - self.median).abs() / self.spread
    }
}

fn on_scale(value: f32) -> f32 {
    value.abs().ln_1p()
}

/// The upper median.
fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}
