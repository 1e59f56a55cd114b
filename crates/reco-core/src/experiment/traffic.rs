//! What is served to the variants of experiments: how many answers, how many of them bad, and how fast.

use super::{Arm, Assignment, How};
use crate::error::RecommendError;
use crate::page::Page;
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Counts answers by variant, since the start of this process. Cheap to clone: all clones count together.
///
/// ```
/// use reco_core::experiment::{Answered, Arm, Traffic};
/// use std::time::Duration;
///
/// let traffic = Traffic::default();
/// let took = Duration::from_millis(8);
/// traffic.note("ranker", Arm(1), Answered { failed: false, degraded: false, took, score: Some(0.7) });
/// traffic.note("ranker", Arm(1), Answered { failed: true, degraded: false, took, score: None });
/// let arms = traffic.of("ranker");
/// assert_eq!((arms[1].answers, arms[1].errors), (2, 1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<RwLock<ByExperiment>>);

/// Tallies of arms, the control first.
type ByExperiment = FxHashMap<Arc<str>, Mutex<Vec<Tally>>>;

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answered {
    /// It is an error.
    pub failed: bool,
    /// It is not the best possible: something is missing from it.
    pub degraded: bool,
    /// How long it took to make.
    pub took: Duration,
    /// The score of its first item, if it has one.
    pub score: Option<f32>,
}

impl Answered {
    /// What became of a request; none of one that nobody could honour, which speaks for or against nothing.
    pub fn of(outcome: &Result<Page, RecommendError>, took: Duration) -> Option<Self> {
        if matches!(outcome, Err(RecommendError::InvalidRequest { .. })) {
            return None;
        }
        let page = outcome.as_ref().ok();
        Some(Self {
            failed: page.is_none(),
            degraded: page.is_some_and(Page::is_degraded),
            took,
            score: page.and_then(|page| Some(page.items.first()?.score)),
        })
    }
}

impl Traffic {
    /// Counts an answer for all variants that made it; not for those that an override chose.
    pub fn note_all(&self, assigned: &[Assignment], answered: Answered) {
        for of in assigned.iter().filter(|of| of.how != How::Overridden) {
            self.note(&of.experiment, of.arm, answered);
        }
    }

    /// Counts an answer for a variant.
    pub fn note(&self, experiment: &str, arm: Arm, answered: Answered) {
        let known = self.0.read();
        if let Some(arms) = known.get(experiment) {
            return tally(&mut arms.lock(), arm).add(answered);
        }
        drop(known);
        let mut all = self.0.write();
        tally(all.entry(experiment.into()).or_default().get_mut(), arm).add(answered);
    }

    /// What was answered by the arms of an experiment, the control first; arms behind the last that answered are left out.
    pub fn of(&self, experiment: &str) -> Vec<Tally> {
        self.0.read().get(experiment).map(|arms| arms.lock().clone()).unwrap_or_default()
    }

    /// Forgets an experiment that is over.
    pub fn forget(&self, experiment: &str) {
        self.0.write().remove(experiment);
    }
}

fn tally(arms: &mut Vec<Tally>, Arm(arm): Arm) -> &mut Tally {
    let arm = usize::from(arm);
    if arms.len() <= arm {
        arms.resize_with(arm + 1, Tally::default);
    }
    &mut arms[arm]
}

/// Answers of one variant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them, errors included.
    pub answers: u64,
    /// Those that were errors.
    pub errors: u64,
    /// Those that were not the best possible.
    pub fallbacks: u64,
    /// How long they took, in milliseconds.
    pub latency: Histogram,
    /// The scores of their first items.
    pub scores: Histogram,
}

impl Tally {
    fn add(&mut self, Answered { failed, degraded, took, score }: Answered) {
        self.answers += 1;
        self.errors += u64::from(failed);
        self.fallbacks += u64::from(degraded);
        self.latency.add(took.as_secs_f64() * 1e3);
        if let Some(score) = score {
            self.scores.add(score.into());
        }
    }

    /// What came since an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            answers: self.answers.saturating_sub(earlier.answers),
            errors: self.errors.saturating_sub(earlier.errors),
            fallbacks: self.fallbacks.saturating_sub(earlier.fallbacks),
            latency: self.latency.since(&earlier.latency),
            scores: self.scores.since(&earlier.scores),
        }
    }
}

/// As people read it: counts, and the usual quantiles of latency.
impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Tally", 5)?;
        fields.serialize_field("answers", &self.answers)?;
        fields.serialize_field("errors", &self.errors)?;
        fields.serialize_field("fallbacks", &self.fallbacks)?;
        fields.serialize_field("p50_ms", &self.latency.quantile(0.5))?;
        fields.serialize_field("p99_ms", &self.latency.quantile(0.99))?;
        fields.end()
    }
}

/// How often numbers came, each to 2.2 % of itself, of either sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: BTreeMap<i32, u64>,
    n: u64,
}

impl Histogram {
    /// Buckets per doubling.
    const FINE: f64 = 16.0;
    /// Numbers nearer to 0 are told apart no better than this.
    const LEAST: f64 = 1e-6;

    /// Counts a number; one that is none (NaN) is counted below all others, as what a broken model scores.
    pub fn add(&mut self, x: f64) {
        *self.counts.entry(Self::bucket(x)).or_default() += 1;
        self.n += 1;
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    fn bucket(x: f64) -> i32 {
        if x.is_nan() {
            return i32::MIN;
        }
        let size = Self::FINE * (x.abs() / Self::LEAST).ln_1p() / std::f64::consts::LN_2;
        (size.ceil() * x.signum()) as i32
    }

    /// The middle of a bucket.
    fn middle(bucket: i32) -> f64 {
        let size = f64::from(bucket).abs() - 0.5;
        let x = Self::LEAST * (size.max(0.0) / Self::FINE * std::f64::consts::LN_2).exp_m1();
        x * f64::from(bucket.signum())
    }

    /// The number that this share of all, 0 to 1, does not exceed; none of none.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = ((self.n as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        found.map(|(bucket, _)| Self::middle(*bucket))
    }

    /// How many are above `x`, as far as that can be told.
    pub fn above(&self, x: f64) -> u64 {
        self.counts.range(Self::bucket(x).saturating_add(1)..).map(|(_, count)| count).sum()
    }

    /// How far others have moved from these: the population stability index over these numbers' tenths. Below 0.1 they are
    /// alike, from 0.25 on they differ. None where there are none to compare.
    pub fn drift(&self, others: &Self) -> Option<f64> {
        if self.is_empty() || others.is_empty() {
            return None;
        }
        let tenth = self.n.div_ceil(10);
        let (mut bins, mut bin) = (Vec::new(), (0, 0));
        let buckets: std::collections::BTreeSet<i32> =
            self.counts.keys().chain(others.counts.keys()).copied().collect();
        for bucket in buckets {
            let of = |histogram: &Self| histogram.counts.get(&bucket).copied().unwrap_or(0);
            // What lies outside of all these numbers is a bin of its own.
            if bin.0 == 0 && of(self) > 0 && bin.1 > 0 {
                bins.push(std::mem::take(&mut bin));
            }
            bin = (bin.0 + of(self), bin.1 + of(others));
            if bin.0 >= tenth {
                bins.push(std::mem::take(&mut bin));
            }
        }
        bins.push(bin);
        // Half an observation more in each, so that an empty bin is rare, not impossible.
        let share = |count: u64, n: u64| (count as f64 + 0.5) / (n as f64 + 0.5 * bins.len() as f64);
        let terms = bins.iter().map(|&(here, there)| {
            let (here, there) = (share(here, self.n), share(there, others.n));
            (there - here) * (there / here).ln()
        });
        Some(terms.sum())
    }

    fn since(&self, earlier: &Self) -> Self {
        let left = self.counts.iter().filter_map(|(bucket, count)| {
            let count = count.saturating_sub(earlier.counts.get(bucket).copied().unwrap_or(0));
            (count > 0).then_some((*bucket, count))
        });
        let counts: BTreeMap<i32, u64> = left.collect();
        Self { n: counts.values().sum(), counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(numbers: impl IntoIterator<Item = f64>) -> Histogram {
        let mut histogram = Histogram::default();
        numbers.into_iter().for_each(|x| histogram.add(x));
        histogram
    }

    proptest! {
        #[test]
        fn quantiles_are_as_near_as_promised(mut numbers in prop::collection::vec(-1e6..1e6_f64, 1..200), share in 0.0..1.0_f64) {
            let found = of(numbers.clone()).quantile(share).unwrap();
            numbers.sort_by(f64::total_cmp);
            let rank = ((numbers.len() as f64 * share).ceil() as usize).max(1);
            let exact = numbers[rank - 1];
            prop_assert!((found - exact).abs() <= 0.023 * exact.abs() + 1e-6, "{found} for {exact}");
        }

        #[test]
        fn what_came_since_is_what_was_added(before in prop::collection::vec(-10.0..10.0_f64, 0..50), after in prop::collection::vec(-10.0..10.0_f64, 0..50)) {
            let earlier = of(before.clone());
            let now = of(before.into_iter().chain(after.clone()));
            prop_assert_eq!(now.since(&earlier), of(after));
        }
    }

    #[test]
    fn numbers_that_moved_are_told_from_those_that_did_not() {
        let numbers = |from: f64| (0..1_000).map(move |n| from + f64::from(n) / 1_000.0);
        let here = of(numbers(1.0));
        assert!(here.drift(&of(numbers(1.0))).unwrap() < 1e-9);
        assert!(here.drift(&of(numbers(1.02))).unwrap() < 0.1, "a little");
        assert!(here.drift(&of(numbers(1.4))).unwrap() > 0.25, "by much");
        let constant = here.drift(&of((0..1_000).map(|_| 0.5)));
        assert!(constant.unwrap() > 2.0, "all the same, and none like these: {constant:?}");
        let none = here.drift(&of((0..1_000).map(|_| f64::NAN)));
        assert!(none.unwrap() > 2.0, "scores that are no numbers: {none:?}");
        assert_eq!(here.drift(&Histogram::default()), None);
    }
}
