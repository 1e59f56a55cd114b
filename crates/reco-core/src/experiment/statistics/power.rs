//! How many users an experiment needs, what it can find, and how long that takes.

use super::error::{StatisticsError, check, check_positive, check_share};
use super::special::{mean_over_bell, normal_above, normal_below, root, t_two_sided_above};

/// What a two-sided test of two arms of the same size is to achieve.
///
/// ```
/// use reco_core::experiment::statistics::Power;
///
/// // From 5 % to 5.5 %, found four times in five.
/// let users = Power::new(0.05, 0.8)?.users_for_rates(0.05, 0.055)?.ceil();
/// assert_eq!(users, 31_231.0);
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    alpha: f64,
    power: f64,
}

/// Most users per arm that are ever asked for.
const MOST: f64 = 1e15;

impl Power {
    /// `alpha`: the share of experiments without a difference that may be told of one; `power`: the share of those
    /// with the difference in question that must be, above `alpha`. Both between 0 and 1.
    ///
    /// # Errors
    ///
    /// [`StatisticsError`] for values out of range.
    pub fn new(alpha: f64, power: f64) -> Result<Self, StatisticsError> {
        check_share("alpha", alpha)?;
        check_share("power", power)?;
        check(power > alpha, "power", power, "above alpha")?;
        Ok(Self { alpha, power })
    }

    /// The sum of both quantiles that closed forms rest on.
    fn z(&self) -> f64 {
        normal_above(self.alpha / 2.0) + normal_above(1.0 - self.power)
    }

    /// Users per arm to tell rate `p2` from `p1`, each between 0 and 1, by the z-test without pooling (Fleiss, Levin &
    /// Paik 2003, section 4.2). Round up.
    ///
    /// # Errors
    ///
    /// Rates out of range, or equal.
    pub fn users_for_rates(&self, p1: f64, p2: f64) -> Result<f64, StatisticsError> {
        check_rates(p1, p2)?;
        let variance = p1 * (1.0 - p1) + p2 * (1.0 - p2);
        Ok(self.z().powi(2) * variance / (p2 - p1).powi(2))
    }

    /// The same by the arcsine transformation (Cohen 1988, section 6.2), which makes the variance the same for all
    /// rates. Round up; it is never below 1.
    ///
    /// # Errors
    ///
    /// Rates out of range, or equal.
    pub fn users_for_rates_by_arcsine(&self, p1: f64, p2: f64) -> Result<f64, StatisticsError> {
        check_rates(p1, p2)?;
        let h = 2.0 * (p1.sqrt().asin() - p2.sqrt().asin());
        let critical = normal_above(self.alpha / 2.0);
        let power = |n: f64| {
            let centre = h.abs() * (n / 2.0).sqrt();
            normal_below(centre - critical) + normal_below(-centre - critical)
        };
        Ok(self.users(h, 0.0, power))
    }

    /// Users per arm to find a difference of means that is `effect` standard deviations of a user, other than 0, by the
    /// t-test: the noncentral t distribution is solved for (Cohen 1988, section 2.4). Round up; it is never below 2.
    ///
    /// # Errors
    ///
    /// An effect that is 0 or no number.
    pub fn users_for_means(&self, effect: f64) -> Result<f64, StatisticsError> {
        check_effect(effect)?;
        Ok(self.users(effect, 1.0, |n| t_power(effect, n, self.alpha)))
    }

    /// The same with a variance that is known: a closed form, about one user less.
    ///
    /// # Errors
    ///
    /// An effect that is 0 or no number.
    pub fn users_for_means_by_z(&self, effect: f64) -> Result<f64, StatisticsError> {
        check_effect(effect)?;
        Ok(2.0 * (self.z() / effect).powi(2))
    }

    /// The least difference of means, in standard deviations of a user, that so many users per arm find.
    ///
    /// # Errors
    ///
    /// Fewer than 2 users.
    pub fn detectable(&self, users_per_arm: f64) -> Result<f64, StatisticsError> {
        check_users(users_per_arm)?;
        let start = (self.z() * (2.0 / users_per_arm).sqrt()).ln();
        let missing =
            |ln_effect: f64| self.lacking(ln_effect, |ln| t_power(ln.exp(), users_per_arm, self.alpha));
        Ok(root(-50.0, 50.0, start, missing).exp())
    }

    /// The number at which the power is reached, searched for on a logarithmic scale from one more than `least`.
    fn users(&self, effect: f64, least: f64, power: impl Fn(f64) -> f64) -> f64 {
        let start = (2.0 * (self.z() / effect).powi(2)).clamp(1.0, MOST);
        let lacking = |ln_n: f64| self.lacking(ln_n, |ln_n| power(least + ln_n.exp()));
        least + root(0.0, MOST.ln() + 1.0, start.ln(), lacking).exp()
    }

    /// How far the power at `x` is above the one wanted, and how fast it grows there.
    fn lacking(&self, x: f64, power: impl Fn(f64) -> f64) -> (f64, f64) {
        const STEP: f64 = 1e-4;
        let slope = (power(x + STEP) - power(x - STEP)) / (2.0 * STEP);
        (power(x) - self.power, slope)
    }
}

/// The share of experiments that the two-sided t-test of two arms with so many users each tells of a difference of means
/// of `effect` standard deviations of a user.
///
/// # Errors
///
/// An alpha that is not between 0 and 1, fewer than 2 users, or an effect that is no number.
pub fn power_for_means(effect: f64, users_per_arm: f64, alpha: f64) -> Result<f64, StatisticsError> {
    check_share("alpha", alpha)?;
    check_users(users_per_arm)?;
    check(effect.is_finite(), "effect", effect, "a finite number of standard deviations")?;
    Ok(t_power(effect, users_per_arm, alpha))
}

/// Days that an experiment takes: until `arms` arms have `users_per_arm` users each, where `users_per_day` users come into
/// the experiment for the first time on a day; at least `least` days, and whole weeks, because weekends differ.
///
/// ```
/// use reco_core::experiment::statistics::days;
///
/// assert_eq!(days(31_231.0, 2, 5_000.0, 7)?, 14);
/// # Ok::<(), reco_core::experiment::statistics::StatisticsError>(())
/// ```
///
/// # Errors
///
/// Users per arm or day that are not above 0, fewer than 2 arms, or more than a million days.
pub fn days(users_per_arm: f64, arms: usize, users_per_day: f64, least: u32) -> Result<u32, StatisticsError> {
    check_positive("users per arm", users_per_arm)?;
    check_positive("users per day", users_per_day)?;
    check(arms >= 2, "arms", arms, "at least 2")?;
    let days = (users_per_arm.ceil() * arms as f64 / users_per_day).max(f64::from(least));
    check(days <= 1e6, "users per day", users_per_day, "enough to end within a million days")?;
    Ok((days / 7.0).ceil() as u32 * 7)
}

/// P(|T| > critical) of the noncentral t distribution: over the deviation that the sample shows, the normal distribution's.
fn t_power(effect: f64, users_per_arm: f64, alpha: f64) -> f64 {
    let df = 2.0 * users_per_arm - 2.0;
    let centre = effect.abs() * (users_per_arm / 2.0).sqrt();
    let critical = t_two_sided_above(alpha, df);
    // Of the logarithm of the deviation, as a share of the true one.
    let ln_density = |u: f64| df * (u - 0.5 * (2.0 * u).exp_m1());
    mean_over_bell((df + 2.0).sqrt() / df, ln_density, |u| {
        let bound = critical * u.exp();
        normal_below(centre - bound) + normal_below(-centre - bound)
    })
}

fn check_rates(p1: f64, p2: f64) -> Result<(), StatisticsError> {
    check((0.0..=1.0).contains(&p1), "p1", p1, "from 0 to 1")?;
    check((0.0..=1.0).contains(&p2), "p2", p2, "from 0 to 1")?;
    check((p1 - p2).abs() > 0.0, "p2", p2, "another rate than p1: no number of users tells equal rates apart")
}

fn check_effect(effect: f64) -> Result<(), StatisticsError> {
    let fine = effect.is_finite() && effect != 0.0;
    check(fine, "effect", effect, "a finite number other than 0: no number of users finds what is not there")
}

fn check_users(users_per_arm: f64) -> Result<(), StatisticsError> {
    check(users_per_arm.is_finite() && users_per_arm >= 2.0, "users per arm", users_per_arm, "at least 2")
}
