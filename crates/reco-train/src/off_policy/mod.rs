//! Off-policy evaluation: what another policy would have earned, from the log of the one that served.
//!
//! A log of places that were filled by chance, each with its [propensities](Logged::logged), tells what any policy is worth that
//! would have filled them by other chances, without serving it to anybody. [`evaluate`] does so in five ways, which agree where
//! all is well:
//!
//! | estimator | what it does | source |
//! |---|---|---|
//! | [`Ips`](Estimator::Ips) | weighs every reward by target's chance / logged chance; unbiased, may vary much | Horvitz & Thompson (1952); Precup, Sutton & Singh (2000) |
//! | [`Snips`](Estimator::Snips) | the same by the sum of the weights; hardly biased, varies less | Swaminathan & Joachims (2015), section 4 |
//! | [`Clipped`](Estimator::Clipped) | the first with weights above the square root of their number cut off there | Ionides (2008), section 2 |
//! | [`Direct`](Estimator::Direct) | what a model of rewards foretells for the target's items | Dudík, Langford & Li (2011), section 2 |
//! | [`DoublyRobust`](Estimator::DoublyRobust) | the model, put right by the first where it errs; right if either is | Dudík, Langford & Li (2011), section 3 |
//!
//! The model of rewards is the mean reward of an item among places of the same context. Each user's places are foretold by what
//! other users did (cross-fitting in five parts; Chernozhukov et al. 2018, section 3), so that intervals hold. The user is the
//! unit of all intervals: what one user does is not independent of what else they do.

mod estimate;
mod model;
#[cfg(test)]
mod tests;

pub use estimate::{Estimate, Estimator, OffPolicyReport, evaluate};

/// A place that was filled by chance, and what came of it.
///
/// ```
/// use reco_train::off_policy::{Estimator, Logged, evaluate};
///
/// // Two items by turns; users like the second, which the target always shows.
/// let places = (0..1_000).map(|n| Logged {
///     user: format!("user {}", n / 2),
///     context: String::new(),
///     items: vec!["tea".to_owned(), "jam".to_owned()],
///     logged: vec![0.5, 0.5],
///     target: vec![0.0, 1.0],
///     shown: n % 2,
///     reward: f64::from(u8::from(n % 2 == 1 && n % 4 == 1)),
/// });
/// let report = evaluate(&places.collect::<Vec<_>>())?;
/// assert!((report.logging.value - 0.25).abs() < 1e-9);
/// let snips = report.of(Estimator::Snips);
/// assert!((snips.value - 0.5).abs() < 1e-9 && snips.low < 0.5 && snips.high > 0.5);
/// # Ok::<(), reco_train::off_policy::OffPolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// Who saw it: what one user does is not independent of what else they do.
    pub user: String,
    /// What rewards may depend on beside the item, such as the position, the surface or a group of users; for the model of
    /// rewards alone.
    pub context: String,
    /// What could have stood there.
    pub items: Vec<String>,
    /// The chance of each of them by the policy that served: their propensities, 1 in sum.
    pub logged: Vec<f64>,
    /// The chance of each of them by the policy in question.
    pub target: Vec<f64>,
    /// Which of them stood there, from 0.
    pub shown: usize,
    /// What came of it: 1 for a click, say, or an amount.
    pub reward: f64,
}

/// Why nothing can be said.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OffPolicyError {
    /// A place makes no sense.
    #[error("place {place}: {problem}")]
    Place {
        /// Its number, from 0.
        place: usize,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// There are too few.
    #[error("the log has {users} users with places filled by chance, must have 2 at least")]
    TooFew {
        /// Users with any.
        users: usize,
    },
}

impl Logged {
    /// How far chances may be from 1 in sum: they were written with few digits.
    const ROUNDING: f64 = 1e-3;

    /// What is wrong with it.
    fn problem(&self) -> Option<String> {
        let Self { items, logged, target, shown, reward, .. } = self;
        if logged.len() != items.len() || target.len() != items.len() {
            return Some(format!(
                "{} items have {} logged chances and {} of the target, must be as many",
                items.len(),
                logged.len(),
                target.len()
            ));
        }
        for (name, chances) in [("logged", logged), ("target", target)] {
            if let Some(odd) = chances.iter().find(|chance| !(0.0..=1.0 + Self::ROUNDING).contains(*chance)) {
                return Some(format!("{name} has a chance of {odd}, must be 0 to 1"));
            }
            let sum: f64 = chances.iter().sum();
            if (sum - 1.0).abs() > Self::ROUNDING {
                return Some(format!("{name} chances are {sum} in sum, must be 1"));
            }
        }
        match logged.get(*shown) {
            None => Some(format!("shown is {shown}, must be the number of one of {} items", items.len())),
            Some(chance) if *chance <= 0.0 => {
                Some(format!("what was shown, `{}`, has a logged chance of 0, must be above", items[*shown]))
            }
            Some(_) if !reward.is_finite() => Some(format!("the reward is {reward}, must be a number")),
            Some(_) => None,
        }
    }

    /// How much more often the target shows what was shown.
    fn weight(&self) -> f64 {
        self.target[self.shown] / self.logged[self.shown]
    }
}
