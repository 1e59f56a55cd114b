//! Values of policies, with their intervals.

use super::model::{Expected, expected};
use super::{Logged, OffPolicyError};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// A way to tell what a policy is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// Inverse propensity scores.
    Ips,
    /// Self-normalised inverse propensity scores.
    Snips,
    /// Inverse propensity scores with weights that are cut off.
    Clipped,
    /// The direct method.
    Direct,
    /// Doubly robust.
    DoublyRobust,
}

impl Estimator {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ips, Self::Snips, Self::Clipped, Self::Direct, Self::DoublyRobust];
}

/// The value of a policy: the mean reward of a place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The most likely.
    pub value: f64,
    /// Where its interval of 95 % begins.
    pub low: f64,
    /// Where that ends.
    pub high: f64,
}

/// What is known of the target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OffPolicyReport {
    /// Places that were filled by chance.
    pub places: usize,
    /// Users who saw them.
    pub users: usize,
    /// What the policy that served earned.
    pub logging: Estimate,
    /// What the target would have, by every estimator, in the order of [`Estimator::ALL`].
    pub target: Vec<(Estimator, Estimate)>,
    /// How many places of the target's own tell as much (Kish 1965, section 11.7): few, if it shows what was hardly shown.
    pub effective_places: f64,
    /// What to know before these numbers are believed, one line each.
    pub warnings: Vec<String>,
}

impl OffPolicyReport {
    /// What an estimator says.
    pub fn of(&self, estimator: Estimator) -> Estimate {
        let nothing = Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN };
        self.target.iter().find(|(known, _)| *known == estimator).map_or(nothing, |(_, estimate)| *estimate)
    }
}

/// Tells what the target is worth. The order of the places does not matter.
///
/// # Errors
///
/// [`OffPolicyError`] for the first place that makes no sense, and for fewer than two users.
pub fn evaluate(places: &[Logged]) -> Result<OffPolicyReport, OffPolicyError> {
    let wrong = places
        .iter()
        .enumerate()
        .find_map(|(place, logged)| Some(OffPolicyError::Place { place, problem: logged.problem()? }));
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    let log = Log::new(places);
    if log.n_users < 2 {
        return Err(OffPolicyError::TooFew { users: log.n_users });
    }
    let target = Estimator::ALL.map(|estimator| (estimator, log.estimate(estimator)));
    let logging = log.mean(log.places.iter().map(|place| place.reward));
    Ok(OffPolicyReport {
        places: places.len(),
        users: log.n_users,
        logging,
        target: target.to_vec(),
        effective_places: log.effective(),
        warnings: log.warnings(),
    })
}

/// A log with what all estimators need.
struct Log<'a> {
    places: &'a [Logged],
    weights: Vec<f64>,
    expected: Vec<Expected>,
    /// The number of each place's user.
    users: Vec<usize>,
    n_users: usize,
}

impl<'a> Log<'a> {
    fn new(places: &'a [Logged]) -> Self {
        let mut numbers: FxHashMap<&str, usize> = FxHashMap::default();
        let number = |place: &'a Logged| {
            let next = numbers.len();
            *numbers.entry(&place.user).or_insert(next)
        };
        let users = places.iter().map(number).collect();
        let n_users = numbers.len();
        let weights = places.iter().map(Logged::weight).collect();
        Self { places, weights, expected: expected(places), users, n_users }
    }

    fn estimate(&self, estimator: Estimator) -> Estimate {
        let rewards = || self.weights.iter().zip(self.places);
        match estimator {
            Estimator::Ips => self.mean(rewards().map(|(weight, place)| weight * place.reward)),
            Estimator::Snips => self.normalized(),
            Estimator::Clipped => {
                let most = (self.places.len() as f64).sqrt();
                self.mean(rewards().map(|(weight, place)| weight.min(most) * place.reward))
            }
            Estimator::Direct => {
                // The model errs as much as its rewards do: its value varies as the doubly robust one does.
                let Estimate { value, .. } = self.mean(self.expected.iter().map(|expected| expected.target));
                let Estimate { low, high, .. } = self.mean(self.robust());
                let half = (high - low) / 2.0;
                Estimate { value, low: value - half, high: value + half }
            }
            Estimator::DoublyRobust => self.mean(self.robust()),
        }
    }

    /// What the model foretells, put right by what came.
    fn robust(&self) -> impl Iterator<Item = f64> {
        let known = self.weights.iter().zip(self.places).zip(&self.expected);
        known.map(|((weight, place), expected)| expected.target + weight * (place.reward - expected.shown))
    }

    /// The mean of a number of each place, whose interval takes a user's together: their number varies, too, so that this is a
    /// ratio of means (Cochran 1977, section 6.5).
    fn mean(&self, values: impl Iterator<Item = f64>) -> Estimate {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        let value = values.iter().sum::<f64>() / n;
        self.with_interval(value, values.iter().map(|x| (x - value) / n))
    }

    fn normalized(&self) -> Estimate {
        let total: f64 = self.weights.iter().sum();
        if total <= 0.0 {
            return Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN };
        }
        let weighted = self.weights.iter().zip(self.places);
        let value = weighted.clone().map(|(weight, place)| weight * place.reward).sum::<f64>() / total;
        self.with_interval(value, weighted.map(|(weight, place)| weight * (place.reward - value) / total))
    }

    /// `shares` are what each place adds to the error, 0 in sum.
    fn with_interval(&self, value: f64, shares: impl Iterator<Item = f64>) -> Estimate {
        /// The normal distribution has 95 % within so many standard deviations.
        const Z: f64 = 1.959_963_984_540_054;
        let mut by_user = vec![0.0; self.n_users];
        for (user, share) in self.users.iter().zip(shares) {
            by_user[*user] += share;
        }
        let n = self.n_users as f64;
        let variance = by_user.iter().map(|error| error * error).sum::<f64>() * n / (n - 1.0);
        let half = Z * variance.sqrt();
        Estimate { value, low: value - half, high: value + half }
    }

    fn effective(&self) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let squares: f64 = self.weights.iter().map(|weight| weight * weight).sum();
        if squares > 0.0 { total * total / squares } else { 0.0 }
    }

    /// What makes the estimates doubtful.
    fn warnings(&self) -> Vec<String> {
        let n = self.places.len() as f64;
        let total: f64 = self.weights.iter().sum();
        let mut warnings = Vec::new();
        let mut warn = |is_odd: bool, warning: String| warnings.extend(is_odd.then_some(warning));
        if total <= 0.0 {
            return vec!["the target shows nothing of what was shown: nothing is known of it".to_owned()];
        }
        let effective = self.effective();
        warn(
            effective < 100.0 || effective < 0.01 * n,
            format!(
                "{n} places tell as much as {effective:.0} of the target's own: it shows what was hardly shown"
            ),
        );
        let largest = self.weights.iter().copied().fold(0.0, f64::max) / total;
        warn(
            largest > 0.1,
            format!(
                "one place has {:.0} % of the weight: the estimate hangs on what happened there",
                largest * 100.0
            ),
        );
        let Estimate { value: mean, low, high } = self.mean(self.weights.iter().copied());
        // Three standard errors: an interval of 95 % is four wide.
        let doubt = (high - low) * 0.75;
        warn(
            (mean - 1.0).abs() > doubt.max(1e-9) && (mean - 1.0).abs() > 0.01,
            format!(
                "weights are {mean:.3} on average, should be 1: the propensities are not those by which items were shown, or the \
                 target shows what could not be"
            ),
        );
        let unseen = self.places.iter().map(|place| {
            let never = place.target.iter().zip(&place.logged).filter(|(_, logged)| **logged <= 0.0);
            never.map(|(target, _)| target).sum::<f64>()
        });
        let unseen = unseen.sum::<f64>() / n;
        warn(
            unseen > 0.001,
            format!(
                "{:.1} % of what the target shows could not be shown by the policy that served: nothing is known of that, and only \
                 a model guesses",
                unseen * 100.0
            ),
        );
        warn(self.n_users < 30, format!("{} users are few: intervals are too narrow", self.n_users));
        warnings
    }
}
