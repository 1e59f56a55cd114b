//! What the user takes again and again.

use super::{CandidateGenerator, Support};
use crate::candidate::Hits;
use crate::error::Fault;
use crate::id::ItemId;
use crate::interactions::Touch;
use crate::query::Query;
use crate::request::Surface;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Proposes the user's own items by how often, how lately and how regularly they took them.
///
/// Consumption repeats, and the items consumed lately and often repeat most (Anderson, Kumar,
/// Tomkins & Vassilvitskii, "The Dynamics of Repeat Consumption", WWW 2014). An item's score is
/// count^a * 2^(-days since the last / half-life), raised while its typical interval, measured
/// between the first and the last time, says that it is due (Bhagat et al., "Buy It Again", KDD 2018).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgainConfig {
    /// Days after which the last time counts half.
    pub half_life_days: f64,
    /// The exponent a of the count.
    pub count_exponent: f64,
    /// By how much a due item gains, 0 for not at all.
    pub due_gain: f64,
}

impl Default for AgainConfig {
    fn default() -> Self {
        Self { half_life_days: 90.0, count_exponent: 1.0, due_gain: 0.5 }
    }
}

impl AgainConfig {
    /// What is wrong with this configuration, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(self.half_life_days > 0.0 && self.half_life_days.is_finite()) {
            problems.push(format!("half_life_days is {}, must be above 0", self.half_life_days));
        }
        if !(self.count_exponent >= 0.0 && self.count_exponent.is_finite()) {
            problems.push(format!("count_exponent is {}, must be at least 0", self.count_exponent));
        }
        if !(self.due_gain >= 0.0 && self.due_gain.is_finite()) {
            problems.push(format!("due_gain is {}, must be at least 0", self.due_gain));
        }
        problems
    }
}

/// The generator; see [`AgainConfig`].
#[derive(Clone, Debug, Default)]
pub struct AgainGenerator {
    config: AgainConfig,
}

impl AgainGenerator {
    /// The name of this source.
    pub const NAME: &'static str = "again";

    /// With its configuration.
    pub fn new(config: AgainConfig) -> Self {
        Self { config }
    }

    /// How strongly the user's own record speaks for taking the item again at `now`.
    pub fn score(&self, touch: &Touch, now: Timestamp) -> f32 {
        let since = now.days_since(touch.last).max(0.0);
        let count = f64::from(touch.count).powf(self.config.count_exponent);
        let recency = (-since / self.config.half_life_days).exp2();
        (count * recency * (1.0 + self.config.due_gain * due(touch, since))) as f32
    }
}

/// How due an item is, 0..1: rises to 1 at its typical interval and falls off behind it.
fn due(touch: &Touch, days_since: f64) -> f64 {
    if touch.count < 2 {
        return 0.0;
    }
    let interval = touch.last.days_since(touch.first) / f64::from(touch.count - 1);
    if interval <= 0.0 {
        return 0.0;
    }
    let phase = days_since / interval;
    // Symmetric in the logarithm: half an interval early is like one interval late.
    (-(phase.max(1e-3).log2()).powi(2)).exp2()
}

impl CandidateGenerator for AgainGenerator {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        if matches!(query.request.surface, Surface::Similar(_)) {
            return Ok(());
        }
        let own = query.history().iter().filter(|touch| touch.consumed.is_some() && !touch.rejected);
        own.for_each(|touch| out.push(touch.item, self.score(touch, query.now)));
        out.keep_top(limit);
        Ok(())
    }

    fn support(&self, _: &Query, item: ItemId, out: &mut Vec<Support>) {
        out.push(Support { item, weight: 1.0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Action;

    fn touch(days: &[i64]) -> Touch {
        let at = |day: i64| Timestamp::from_secs(day * 86_400);
        let mut touch = Touch::new(ItemId::new(0), at(days[0]));
        days.iter().for_each(|&day| touch.add(&Action::Purchase, 1.0, at(day)));
        touch
    }

    #[test]
    fn often_lately_and_due_all_raise_the_score() {
        let again = AgainGenerator::default();
        let score = |days: &[i64]| again.score(&touch(days), Timestamp::from_secs(100 * 86_400));
        assert!(score(&[10, 50, 90]) > score(&[50, 90]), "more often");
        assert!(score(&[80, 90]) > score(&[70, 80]), "later, both due");
        assert!(score(&[86, 93]) > score(&[23, 93]), "due after a week, not after ten");
        assert!(score(&[100]) > 0.0 && score(&[100]).is_finite());
    }
}
