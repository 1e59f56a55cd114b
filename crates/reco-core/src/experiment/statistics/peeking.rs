//! What looking every day does to the rate of false findings, by simulation.

use super::bootstrap::stream;
use super::error::{check, check_positive, check_share};
use super::{ConfidenceSequence, Difference, Interval, Msprt, Proportion, StatisticsError, two_proportion_z};
use rand::Rng;
use rand_pcg::Pcg64;
use rayon::prelude::*;
use serde::Serialize;

/// Experiments on a rate that are looked at every day, and stopped as soon as a test says that the arms differ.
///
/// ```
/// use reco_core::experiment::statistics::{Peeking, Watch};
///
/// let peeking = Peeking { runs: 200, days: 14, users_per_day: 100, rate: 0.1, lift: 0.0, alpha: 0.05, seed: 1 };
/// let [daily, _, sequence, _] = peeking.watched()?;
/// assert!(daily.watch == Watch::ZTestDaily && daily.found > 3 * sequence.found);
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peeking {
    /// Experiments, from 1.
    pub runs: usize,
    /// Days of each, and so looks, from 1.
    pub days: usize,
    /// New users of each arm and day, from 1.
    pub users_per_day: u32,
    /// Share of A's users who convert, between 0 and 1.
    pub rate: f64,
    /// By how much more of B's do, as a share of the rate: 0 for arms that do not differ.
    pub lift: f64,
    /// The share of experiments without a difference that a test may tell of one.
    pub alpha: f64,
    /// The same seed gives the same experiments.
    pub seed: u64,
}

/// A way to judge an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// The z-test every day, as if each day were the only one.
    ZTestDaily,
    /// The z-test once, on the last day.
    ZTestAtEnd,
    /// [`ConfidenceSequence`] every day, tightest on the last.
    ConfidenceSequence,
    /// [`Msprt`] every day, weighing effects of about a tenth of the rate.
    Msprt,
}

/// How a way to judge fared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Watched {
    /// Which.
    pub watch: Watch,
    /// Experiments that were told of a difference on any day.
    pub found: u64,
    /// Their share of all.
    pub share: f64,
    /// Of the share, at 95 % (Clopper & Pearson).
    pub interval: Interval,
    /// Day, from 1, on which they were told on average; `None` where none were.
    pub mean_day: Option<f64>,
}

const WATCHES: [Watch; 4] = [Watch::ZTestDaily, Watch::ZTestAtEnd, Watch::ConfidenceSequence, Watch::Msprt];

impl Peeking {
    /// What each way to judge says of the same experiments, in the order of [`Watch`].
    ///
    /// # Errors
    ///
    /// [`StatisticsError`] for fields out of range.
    pub fn watched(&self) -> Result<[Watched; 4], StatisticsError> {
        self.check()?;
        let runs = (0..self.runs as u64).into_par_iter().map(|run| self.run(run));
        let runs: Vec<[Option<usize>; 4]> = runs.collect::<Result<_, _>>()?;
        let of = |at: usize| -> Result<Watched, StatisticsError> {
            let days: Vec<usize> = runs.iter().filter_map(|run| run[at]).collect();
            let found = Proportion::new(days.len() as u64, runs.len() as u64)?;
            let mean_day = days.iter().sum::<usize>() as f64 / days.len() as f64;
            Ok(Watched {
                watch: WATCHES[at],
                found: found.successes(),
                share: found.rate(),
                interval: found.clopper_pearson(0.95)?,
                mean_day: mean_day.is_finite().then_some(mean_day),
            })
        };
        Ok([of(0)?, of(1)?, of(2)?, of(3)?])
    }

    fn check(&self) -> Result<(), StatisticsError> {
        check(self.runs > 0, "runs", self.runs, "at least 1")?;
        check(self.days > 0, "days", self.days, "at least 1")?;
        check(self.users_per_day > 0, "users per day", self.users_per_day, "at least 1")?;
        check_share("rate", self.rate)?;
        check_share("alpha", self.alpha)?;
        check_positive("1 + lift", 1.0 + self.lift)?;
        check_share("rate with lift", self.rate * (1.0 + self.lift))
    }

    /// The day on which each way to judge finds a difference in one experiment.
    fn run(&self, run: u64) -> Result<[Option<usize>; 4], StatisticsError> {
        let mut rng = stream(self.seed, run);
        let sequence = ConfidenceSequence::new(self.alpha, self.users_at_end())?;
        let mut msprt = Msprt::new((0.1 * self.rate).powi(2))?;
        let mut found = [None; 4];
        let (mut in_a, mut in_b) = (0, 0);
        for day in 1..=self.days {
            in_a += converted(&mut rng, self.users_per_day, self.rate);
            in_b += converted(&mut rng, self.users_per_day, self.rate * (1.0 + self.lift));
            let users = day as u64 * u64::from(self.users_per_day);
            let (a, b) = (Proportion::new(in_a, users)?, Proportion::new(in_b, users)?);
            let z = two_proportion_z(a, b, 0.95)?;
            let difference = difference(a, b);
            // Until somebody converted, there is nothing to judge.
            let varies = difference.variance > 0.0;
            let says = [
                z.p < self.alpha,
                z.p < self.alpha && day == self.days,
                varies && sequence.look(&difference).p < self.alpha,
                varies && msprt.look(difference.estimate, difference.variance)?.p < self.alpha,
            ];
            for (found, says) in found.iter_mut().zip(says) {
                *found = found.or(says.then_some(day));
            }
        }
        Ok(found)
    }

    fn users_at_end(&self) -> f64 {
        2.0 * self.days as f64 * f64::from(self.users_per_day)
    }
}

fn difference(a: Proportion, b: Proportion) -> Difference {
    let variance = |arm: Proportion| arm.rate() * (1.0 - arm.rate()) / arm.trials() as f64;
    let n = a.trials() + b.trials();
    Difference { estimate: b.rate() - a.rate(), variance: variance(a) + variance(b), df: n as f64 - 2.0, n }
}

/// How many of so many users do what each does with this probability.
fn converted(rng: &mut Pcg64, users: u32, rate: f64) -> u64 {
    let bound = (rate * 2f64.powi(32)) as u64;
    // Each draw of 64 bits decides about two users.
    let pairs = (0..users / 2).map(|_| {
        let bits = rng.next_u64();
        u64::from(bits & 0xffff_ffff < bound) + u64::from(bits >> 32 < bound)
    });
    let in_pairs: u64 = pairs.sum();
    let last = users % 2 == 1 && rng.next_u64() >> 32 < bound;
    in_pairs + u64::from(last)
}
