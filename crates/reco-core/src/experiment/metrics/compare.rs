//! What variants differ by: numbers per arm, and each arm beside the control.

use super::tally::Exposed;
use super::{Before, Better, Measured, MetricConfig, MetricKind};
use crate::experiment::statistics::{
    Caps, ConfidenceSequence, Difference, Interval, Look, Moments, Moments2, Sample, StatisticsError, TTest,
    beats_by, cuped, quantile,
};
use crate::experiment::{ExperimentConfig, VariantConfig};
use serde::Serialize;

/// A metric in all arms of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricReport {
    /// Its name.
    pub name: String,
    /// Which way is better.
    pub better: Better,
    /// The most that it may get worse, as a share of the control's.
    pub guard: Option<f64>,
    /// In each arm, the control first; nothing where too little is known.
    pub arms: Vec<Option<f64>>,
    /// Each arm beside the control, from the second arm on; nothing where too little is known.
    pub compared: Vec<Option<Comparison>>,
}

/// An arm beside the control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The arm less the control, in units of the metric, with an interval of 95 % for one look.
    pub absolute: Effect,
    /// The same as a share of the control's; nothing where that is 0.
    pub relative: Option<Effect>,
    /// Of no difference, for one look at a moment that was fixed before (Welch).
    pub p: f64,
    /// What holds however often one looks: an interval of the absolute difference, and its p.
    pub anytime: Look,
    /// How probable it is that the arm is better, without a prior; nothing where neither arm varies.
    pub better: Option<f64>,
}

/// A difference and its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// The difference.
    pub estimate: f64,
    /// Its interval.
    pub interval: Interval,
}

/// How sure it is to be.
const LEVEL: f64 = 0.95;

impl MetricReport {
    /// `number` is the metric's place among those that were counted; `users` are those of each arm; `tuning`, the users of two
    /// arms at which intervals for any time are to be tightest.
    pub(super) fn new(
        name: &str,
        metric: &MetricConfig,
        number: usize,
        users: &[Vec<&Exposed>],
        tuning: f64,
    ) -> Self {
        let counted = Counted { metric, number, caps: caps(metric, number, users) };
        let arms = users.iter().map(|users| counted.sample(users).ok().map(|sample| sample.mean())).collect();
        let others =
            users.split_first().map_or((&[][..], &[][..]), |(control, others)| (&control[..], others));
        let compared = others.1.iter().map(|users| counted.compared(others.0, users, tuning).ok()).collect();
        Self { name: name.to_owned(), better: metric.better, guard: metric.guard, arms, compared }
    }
}

/// A metric of users.
struct Counted<'a> {
    metric: &'a MetricConfig,
    number: usize,
    caps: Option<Caps>,
}

impl Counted<'_> {
    /// What one user counts, and what that is divided by.
    fn pair(&self, user: &Exposed) -> (f64, f64) {
        match self.metric.of {
            Measured::Fallback => (f64::from(user.fallbacks), 1.0),
            Measured::Latency | Measured::Events(_) => {
                user.sums.get(self.number).copied().unwrap_or_default()
            }
        }
    }

    fn value(&self, user: &Exposed) -> f64 {
        let value = self.pair(user).0;
        self.caps.as_ref().map_or(value, |caps| caps.apply(value))
    }

    fn before(&self, user: &Exposed) -> f64 {
        user.before.get(self.number).copied().unwrap_or_default()
    }

    fn sample(&self, users: &[&Exposed]) -> Result<Sample, StatisticsError> {
        match self.metric.kind {
            MetricKind::Share => {
                let did = |user: &&Exposed| if self.pair(user).0 > 0.0 { 1.0 } else { 0.0 };
                Moments::of(users.iter().map(did)).sample()
            }
            MetricKind::Mean => Moments::of(users.iter().map(|user| self.value(user))).sample(),
            MetricKind::Ratio => Moments2::of(users.iter().map(|user| self.pair(user))).ratio(),
            MetricKind::Quantile => {
                let latencies = |user: &&Exposed| user.latencies.iter().copied().map(f64::from).collect();
                let latencies: Vec<Vec<f64>> = users.iter().map(latencies).collect();
                quantile(&latencies, self.metric.quantile)
            }
        }
    }

    /// The samples of the control and another arm, without what was foretold.
    fn samples(&self, control: &[&Exposed], other: &[&Exposed]) -> Result<(Sample, Sample), StatisticsError> {
        if self.metric.cuped_days == 0 {
            return Ok((self.sample(control)?, self.sample(other)?));
        }
        let pairs =
            |users: &[&Exposed]| Moments2::of(users.iter().map(|user| (self.before(user), self.value(user))));
        let adjusted = cuped(&pairs(control), &pairs(other))?;
        Ok((adjusted.a, adjusted.b))
    }

    fn compared(
        &self,
        control: &[&Exposed],
        other: &[&Exposed],
        tuning: f64,
    ) -> Result<Comparison, StatisticsError> {
        let (a, b) = self.samples(control, other)?;
        let difference = Difference::absolute(&a, &b);
        let TTest { p, interval, .. } = difference.t_test(LEVEL)?;
        let relative = Difference::relative(&a, &b)
            .map(|relative| {
                let interval = relative.t_test(LEVEL)?.interval;
                Ok(Effect { estimate: relative.estimate, interval })
            })
            .transpose()?;
        let more = beats_by(&difference).ok().map(|chances| chances.b_beats_a);
        Ok(Comparison {
            absolute: Effect { estimate: difference.estimate, interval },
            relative,
            // Where neither arm varies and they are equal, there is nothing against their being equal.
            p: if p.is_nan() { 1.0 } else { p },
            anytime: ConfidenceSequence::new(1.0 - LEVEL, tuning)?.look(&difference),
            better: more.map(|more| if self.metric.better == Better::Higher { more } else { 1.0 - more }),
        })
    }
}

/// What the users of each arm did before they were exposed, beside those of the control.
pub(super) fn before(
    name: &str,
    number: usize,
    config: &ExperimentConfig,
    users: &[Vec<&Exposed>],
    tuning: f64,
) -> Vec<Before> {
    let sample = |users: &Vec<&Exposed>| {
        let before = |user: &&Exposed| user.before.get(number).copied().unwrap_or_default();
        Moments::of(users.iter().map(before)).sample()
    };
    let Some(Ok(control)) = users.first().map(sample) else { return Vec::new() };
    let others = config.variants.iter().zip(users).skip(1);
    let of = |(variant, users): (&VariantConfig, &Vec<&Exposed>)| {
        let difference = Difference::absolute(&control, &sample(users).ok()?);
        let look = ConfidenceSequence::new(1.0 - LEVEL, tuning).ok()?.look(&difference);
        Some(Before {
            metric: name.to_owned(),
            variant: variant.name.clone(),
            difference: difference.estimate,
            p: look.p,
        })
    };
    others.filter_map(of).collect()
}

/// The bounds of what one user counts, from the users of all arms together.
fn caps(metric: &MetricConfig, number: usize, users: &[Vec<&Exposed>]) -> Option<Caps> {
    let bare = Counted { metric, number, caps: None };
    let values: Vec<f64> = users.iter().flatten().map(|user| bare.value(user)).collect();
    (metric.winsorize < 1.0).then(|| Caps::of(&values, 0.0, metric.winsorize).ok()).flatten()
}
