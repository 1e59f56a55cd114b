//! Intervals of any statistic, by drawing the users anew.

use super::Interval;
use super::error::{StatisticsError, check, check_share};
use super::quantile::of_sorted;
use super::special::{normal_above, normal_below};
use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_pcg::Pcg64;
use rayon::prelude::*;

/// Draws as many users of each arm as it has, with repetition, over and over (Efron & Tibshirani, "An introduction to the
/// bootstrap", 1993, sections 8 and 13). A user comes with all that they did, so that users are the unit.
///
/// The same seed gives the same intervals, on any number of threads.
///
/// ```
/// use reco_core::experiment::statistics::Bootstrap;
///
/// let mean = |users: &[f64]| users.iter().sum::<f64>() / users.len() as f64;
/// let (a, b) = ([1.0, 2.0, 4.0, 3.0], [5.0, 7.0, 6.0, 8.0]);
/// let drawn = Bootstrap::new(1_000, 42)?.difference(&a, &b, mean)?;
/// assert!(drawn.estimate() == 4.0 && drawn.percentile(0.95)?.contains(4.0));
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    resamples: u32,
    seed: u64,
}

impl Bootstrap {
    /// `resamples`: how often both arms are drawn, 100 to 10,000,000; 10,000 leave the ends of a 95 % interval uncertain
    /// by some 2 % of its width.
    ///
    /// # Errors
    ///
    /// A number of resamples out of range.
    pub fn new(resamples: u32, seed: u64) -> Result<Self, StatisticsError> {
        check((100..=10_000_000).contains(&resamples), "resamples", resamples, "from 100 to 10,000,000")?;
        Ok(Self { resamples, seed })
    }

    /// How a statistic of B's users less that of A's comes out over resamples.
    ///
    /// # Errors
    ///
    /// An arm without users, or a statistic that is no finite number: of an arm, its resamples, or the arm without one of
    /// its users.
    pub fn difference<T: Copy + Send + Sync>(
        &self,
        a: &[T],
        b: &[T],
        statistic: impl Fn(&[T]) -> f64 + Sync,
    ) -> Result<Resampled, StatisticsError> {
        let [draw_a, draw_b] = [a, b].map(|arm| Uniform::new(0, arm.len()));
        let wanted = "users to draw from";
        let draw_a = draw_a.map_err(|_| StatisticsError::new("arm A", "empty", wanted))?;
        let draw_b = draw_b.map_err(|_| StatisticsError::new("arm B", "empty", wanted))?;
        let drawn = |resample: u32| {
            let mut rng = stream(self.seed, u64::from(resample));
            let mut again = |arm: &[T], draw: &Uniform<usize>| -> Vec<T> {
                draw.sample_iter(&mut rng).take(arm.len()).map(|at| arm[at]).collect()
            };
            let (a, b) = (again(a, &draw_a), again(b, &draw_b));
            statistic(&b) - statistic(&a)
        };
        let mut draws: Vec<f64> = (0..self.resamples).into_par_iter().map(drawn).collect();
        draws.sort_by(f64::total_cmp);
        let resampled = Resampled { estimate: statistic(b) - statistic(a), draws };
        let finite = |value: f64| check(value.is_finite(), "the statistic", value, "a finite number");
        [resampled.draws[0], resampled.draws[resampled.draws.len() - 1], resampled.estimate]
            .into_iter()
            .try_for_each(finite)?;
        Ok(resampled)
    }
}

/// Random numbers for one of many things that are drawn apart; neighbours share none.
pub(in crate::experiment) fn stream(seed: u64, index: u64) -> Pcg64 {
    Pcg64::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(index))
}

/// A difference of statistics, and how it came out over resamples.
#[derive(Clone, Debug, PartialEq)]
pub struct Resampled {
    estimate: f64,
    /// Ascending.
    draws: Vec<f64>,
}

impl Resampled {
    /// Of the users as they are: B less A.
    pub fn estimate(&self) -> f64 {
        self.estimate
    }

    /// Between the quantiles of the resamples.
    ///
    /// # Errors
    ///
    /// A level that is not between 0 and 1.
    pub fn percentile(&self, level: f64) -> Result<Interval, StatisticsError> {
        check_share("level", level)?;
        Ok(self.between((1.0 - level) / 2.0, f64::midpoint(1.0, level)))
    }

    /// Corrected for bias and for an error that changes with the statistic (BCa: Efron, JASA 82, 1987), with the
    /// acceleration that [`acceleration`](Self::acceleration) tells of the same arms. Nothing where all resamples lie on
    /// one side of the estimate.
    ///
    /// # Errors
    ///
    /// A level that is not between 0 and 1.
    pub fn bca(&self, level: f64, acceleration: f64) -> Result<Option<Interval>, StatisticsError> {
        check_share("level", level)?;
        let below = self.draws.partition_point(|draw| *draw < self.estimate);
        let up_to = self.draws.partition_point(|draw| *draw <= self.estimate);
        let bias = -normal_above((below + up_to) as f64 / (2.0 * self.draws.len() as f64));
        let z = normal_above((1.0 - level) / 2.0);
        let corrected = |z: f64| normal_below(bias + (bias + z) / (1.0 - acceleration * (bias + z)));
        let (low, high) = (corrected(-z), corrected(z));
        Ok((low.is_finite() && high.is_finite()).then(|| self.between(low, high)))
    }

    /// How the error of a difference changes with it, by leaving out one user at a time: the statistic is taken as often
    /// as there are users (Efron & Tibshirani 1993, equation 14.15, over two samples). NaN where it never changes.
    pub fn acceleration<T: Copy + Sync>(a: &[T], b: &[T], statistic: impl Fn(&[T]) -> f64 + Sync) -> f64 {
        let (mut cubes, mut squares) = (0.0, 0.0);
        for (arm, sign) in [(a, -1.0), (b, 1.0)] {
            let without: Vec<f64> = (0..arm.len())
                .into_par_iter()
                .map(|user| sign * statistic(&[&arm[..user], &arm[user + 1..]].concat()))
                .collect();
            let n = arm.len() as f64;
            let mean = without.iter().sum::<f64>() / n;
            let influence = |value: &f64| (n - 1.0) * (mean - value) / n;
            cubes += without.iter().map(|value| influence(value).powi(3)).sum::<f64>();
            squares += without.iter().map(|value| influence(value).powi(2)).sum::<f64>();
        }
        cubes / (6.0 * squares.powf(1.5))
    }

    fn between(&self, low: f64, high: f64) -> Interval {
        Interval { low: of_sorted(&self.draws, low), high: of_sorted(&self.draws, high) }
    }
}
