//! What a version on trial may not do.

use crate::experiment::Tally;
use crate::experiment::statistics::binomial_tail;
use serde::{Deserialize, Serialize};

/// How much worse than what serves now a version on trial may be; `false` for what does not matter.
///
/// A guard breaks only where chance can be ruled out: shares by an exact binomial test at one in ten thousand per look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guards {
    /// How much larger the share of errors may be, 0 to below 1.
    #[serde(with = "crate::switch")]
    pub errors: Option<f64>,
    /// How much larger the share of answers may be that are not the best possible, 0 to below 1.
    #[serde(with = "crate::switch")]
    pub fallbacks: Option<f64>,
    /// How many times as long answers may take, by the 99th percentile; at least 1.
    #[serde(with = "crate::switch")]
    pub latency: Option<f64>,
    /// How far the scores of first items may move, as a population stability index; above 0. A version whose scores have
    /// another scale on purpose needs `false`.
    #[serde(with = "crate::switch")]
    pub drift: Option<f64>,
}

impl Default for Guards {
    fn default() -> Self {
        Self { errors: Some(0.005), fallbacks: Some(0.05), latency: Some(1.5), drift: Some(1.0) }
    }
}

impl Guards {
    /// How seldom a guard breaks by chance, per look.
    const CHANCE: f64 = 1e-4;
    /// Answers of either side below which neither percentiles nor distributions are known.
    const FEW: u64 = 100;

    /// What is wrong with them, one line each, with the path of the field.
    pub(super) fn problems(&self) -> Vec<String> {
        let share = |name: &str, value: Option<f64>| {
            let value = value.filter(|value| !(0.0..1.0).contains(value))?;
            Some(format!("guards.{name} is {value}, must be 0 to below 1, or false"))
        };
        let latency = self.latency.filter(|times| !(times.is_finite() && *times >= 1.0));
        let drift = self.drift.filter(|drift| !(drift.is_finite() && *drift > 0.0));
        [
            share("errors", self.errors),
            share("fallbacks", self.fallbacks),
            latency.map(|times| format!("guards.latency is {times}, must be at least 1, or false")),
            drift.map(|drift| format!("guards.drift is {drift}, must be above 0, or false")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Those that are broken, as sentences.
    ///
    /// ```
    /// use reco_core::experiment::rollout::Guards;
    /// use reco_core::experiment::Tally;
    ///
    /// let serves = Tally { answers: 900, ..Tally::default() };
    /// let tried = Tally { answers: 20, errors: 19, ..Tally::default() };
    /// assert!(Guards::default().broken(&serves, &tried)[0].starts_with("19 of 20 answers are errors"));
    /// assert!(Guards::default().broken(&serves, &Tally { errors: 0, ..tried }).is_empty());
    /// ```
    pub fn broken(&self, serves: &Tally, tried: &Tally) -> Vec<String> {
        let errors = self.errors.and_then(|more| {
            let said = excess(serves.errors, serves.answers, tried.errors, tried.answers, more)?;
            Some(format!("{} of {} answers are errors{said}", tried.errors, tried.answers))
        });
        let fallbacks = self.fallbacks.and_then(|more| {
            let said = excess(serves.fallbacks, serves.answers, tried.fallbacks, tried.answers, more)?;
            Some(format!("{} of {} answers are not the best possible{said}", tried.fallbacks, tried.answers))
        });
        let latency = self.latency.and_then(|times| slower(serves, tried, times));
        let drift = self.drift.and_then(|most| moved(serves, tried, most));
        [errors, fallbacks, latency, drift].into_iter().flatten().collect()
    }
}

/// That a share is too large for chance.
fn excess(few: u64, of: u64, found: u64, among: u64, more: f64) -> Option<String> {
    let usual = if of == 0 { 0.0 } else { few as f64 / of as f64 };
    let most = (usual + more).min(1.0);
    (binomial_tail(found, among, most) < Guards::CHANCE).then(|| {
        format!(
            ", at most {:.1} % may be, as there are {:.1} % of what serves now",
            most * 100.0,
            usual * 100.0
        )
    })
}

/// That too many answers are slower than what all but a hundredth may take.
fn slower(serves: &Tally, tried: &Tally, times: f64) -> Option<String> {
    const SHARE: f64 = 0.99;
    if serves.latency.len() < Guards::FEW {
        return None;
    }
    let usual = serves.latency.quantile(SHARE)?;
    let n_slow = tried.latency.above(usual * times);
    (binomial_tail(n_slow, tried.latency.len(), 1.0 - SHARE) < Guards::CHANCE).then(|| {
        format!(
            "{n_slow} of {} answers take longer than {:.2} ms, one in a hundred may: {times} times the 99th percentile of what \
             serves now",
            tried.latency.len(),
            usual * times
        )
    })
}

fn moved(serves: &Tally, tried: &Tally, most: f64) -> Option<String> {
    if serves.scores.len().min(tried.scores.len()) < Guards::FEW {
        return None;
    }
    let drift = serves.scores.drift(&tried.scores)?;
    (drift > most).then(|| {
        format!("the scores of first items have moved by {drift:.2} (population stability index), at most {most} is allowed")
    })
}
