//! How probable it is that B is better.

use super::error::{StatisticsError, check, check_positive};
use super::special::{beta_below, mean_over_bell, normal_below, normal_density, sigmoid};
use super::{Difference, Proportion};
use serde::Serialize;

/// What choosing B would mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Chances {
    /// Probability that B's metric is above A's, 0 to 1.
    pub b_beats_a: f64,
    /// What is lost on average by choosing B, in units of the metric: E[max(A - B, 0)].
    pub expected_loss: f64,
}

/// A beta distribution over a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaPrior {
    successes: f64,
    failures: f64,
}

impl BetaPrior {
    /// Every rate is as likely as any other.
    pub const UNIFORM: Self = Self { successes: 1.0, failures: 1.0 };

    /// As if so many successes and failures had been seen before, both above 0.
    ///
    /// # Errors
    ///
    /// Numbers that are not above 0.
    pub fn new(successes: f64, failures: f64) -> Result<Self, StatisticsError> {
        check_positive("prior successes", successes)?;
        check_positive("prior failures", failures)?;
        Ok(Self { successes, failures })
    }

    fn after(self, seen: Proportion) -> Beta {
        let failures = seen.trials() - seen.successes();
        Beta { a: self.successes + seen.successes() as f64, b: self.failures + failures as f64 }
    }
}

/// Whether B's rate is above A's, both with the same prior (the conjugate beta posteriors of Gelman et al., Bayesian Data
/// Analysis, 2013, section 2.4; the loss by Stucchio, "Bayesian A/B testing at VWO", 2015). Looking early does not make it say more than is known, but stopping as soon as
/// it says what one likes does raise the rate of errors.
///
/// ```
/// use reco_core::experiment::statistics::{BetaPrior, Proportion, beats};
///
/// let (a, b) = (Proportion::new(100, 1_000)?, Proportion::new(120, 1_000)?);
/// assert!((beats(a, b, BetaPrior::UNIFORM).b_beats_a - 0.923).abs() < 1e-3);
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
pub fn beats(a: Proportion, b: Proportion, prior: BetaPrior) -> Chances {
    let (a, b) = (prior.after(a), prior.after(b));
    // E[A; A > B] and E[B; A > B]: a rate times its density is the density of a beta distribution with one success more.
    let loss = a.mean() * a.one_more().above(b) - b.mean() * a.above(b.one_more());
    Chances { b_beats_a: b.above(a), expected_loss: loss.max(0.0) }
}

/// The same of any metric whose difference is about normal, without a prior.
///
/// # Errors
///
/// A difference without variance, of which there is nothing to judge.
pub fn beats_by(difference: &Difference) -> Result<Chances, StatisticsError> {
    let error = difference.error();
    check(error > 0.0, "the variance of the difference", difference.variance, "above 0")?;
    let z = difference.estimate / error;
    let expected_loss = error * normal_density(z) - difference.estimate * normal_below(-z);
    Ok(Chances { b_beats_a: normal_below(z), expected_loss: expected_loss.max(0.0) })
}

#[derive(Clone, Copy, Debug)]
struct Beta {
    a: f64,
    b: f64,
}

impl Beta {
    fn mean(self) -> f64 {
        self.a / (self.a + self.b)
    }

    fn one_more(self) -> Self {
        Self { a: self.a + 1.0, ..self }
    }

    /// At least the standard deviation of its logit.
    fn deviation(self) -> f64 {
        ((self.a + 1.0) / (self.a * self.a) + (self.b + 1.0) / (self.b * self.b)).sqrt()
    }

    /// P(self > other), by integration over the logit of the narrower of both.
    fn above(self, other: Self) -> f64 {
        if self.deviation() < other.deviation() {
            self.averaged(|x, y| beta_below(other.a, other.b, x, y))
        } else {
            other.averaged(|x, y| beta_below(self.b, self.a, y, x))
        }
    }

    /// The mean of a function of x and 1 - x.
    fn averaged(self, function: impl Fn(f64, f64) -> f64) -> f64 {
        let peak = (self.a / self.b).ln();
        let (x, y) = (sigmoid(peak), sigmoid(-peak));
        // Beside the peak's, so that large parameters do not cancel.
        let ln_density =
            |off: f64| -self.a * (y * (-off).exp_m1()).ln_1p() - self.b * (x * off.exp_m1()).ln_1p();
        mean_over_bell(self.deviation(), ln_density, |off| {
            function(sigmoid(peak + off), sigmoid(-peak - off))
        })
    }
}
