//! What the user takes again and again.

use super::repeats::{Repeats, is_taken};
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
///
/// count^a * (s + (1 - s) * 2^(-days since the last / half-life)) * (1 + g * due) * ratio^b
///
/// where `due`, 0..1, says how near the item's typical interval for this user is, measured between the
/// first and the last time, and `ratio` how readily people come back to the item ([`Repeats`]; Bhagat et
/// al., "Buy It Again", KDD 2018). The defaults were chosen on periods before the one they are judged on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgainConfig {
    /// Days after which what fades of an item's weight has halved.
    pub half_life_days: f64,
    /// The share s of the weight that never fades, 0..1: a staple stays one after a long pause.
    pub lasting_share: f64,
    /// The exponent a of the count.
    pub count_exponent: f64,
    /// The gain g of an item that is just due, 0 for none.
    pub due_gain: f64,
    /// The exponent b of how readily people come back to the item, 0 to leave that out.
    pub repeat_exponent: f64,
}

impl Default for AgainConfig {
    fn default() -> Self {
        Self {
            half_life_days: 45.0,
            lasting_share: 0.25,
            count_exponent: 1.0,
            due_gain: 0.3,
            repeat_exponent: 0.7,
        }
    }
}

impl AgainConfig {
    /// What is wrong with this configuration, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(self.half_life_days > 0.0 && self.half_life_days.is_finite()) {
            problems.push(format!("half_life_days is {}, must be above 0", self.half_life_days));
        }
        if !(0.0..=1.0).contains(&self.lasting_share) {
            problems.push(format!("lasting_share is {}, must be 0 to 1", self.lasting_share));
        }
        for (name, value) in [
            ("count_exponent", self.count_exponent),
            ("due_gain", self.due_gain),
            ("repeat_exponent", self.repeat_exponent),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                problems.push(format!("{name} is {value}, must be at least 0"));
            }
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

    /// How strongly the user's own record speaks for taking the item again at `now`. Without `repeats`
    /// every item counts as an ordinary one.
    pub fn score(&self, touch: &Touch, repeats: Option<&Repeats>, now: Timestamp) -> f32 {
        let Self { config } = self;
        let since = now.days_since(touch.last).max(0.0);
        let ratio = repeats.map_or(0.0, |repeats| f64::from(repeats.log_ratio(touch.item)));
        // Both powers in one, since a history may be long.
        let powers =
            (config.count_exponent * f64::from(touch.count).log2() + config.repeat_exponent * ratio).exp2();
        let fading = (-since / config.half_life_days).exp2();
        let recency = config.lasting_share + (1.0 - config.lasting_share) * fading;
        (powers * recency * (1.0 + config.due_gain * due(touch, since))) as f32
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
        let repeats = query.snapshot.models.get::<Repeats>(Repeats::NAME);
        let own = query.history().iter().filter(|touch| is_taken(touch) && !touch.rejected);
        own.for_each(|touch| out.push(touch.item, self.score(touch, repeats, query.now)));
        out.keep_top(limit);
        Ok(())
    }

    /// Of an item that the user never took, 0.
    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        if matches!(query.request.surface, Surface::Similar(_)) || query.history().is_empty() {
            return Ok(());
        }
        let repeats = query.snapshot.models.get::<Repeats>(Repeats::NAME);
        let places = query.places();
        for (&item, score) in items.iter().zip(scores) {
            let touch = places.of(item).map(|place| &query.history()[place]);
            let own = touch.filter(|touch| is_taken(touch) && !touch.rejected);
            *score = own.map_or(0.0, |touch| self.score(touch, repeats, query.now));
        }
        Ok(())
    }

    fn support(&self, _: &Query, item: ItemId, out: &mut Vec<Support>) {
        out.push(Support { item, weight: 1.0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, ActionWeights, Verdict};
    use crate::fixture;
    use crate::interactions::{Histories, InteractionLog};
    use crate::request::Request;
    use crate::snapshot::Snapshot;

    fn touch(days: &[i64]) -> Touch {
        let at = |day: i64| Timestamp::from_secs(day * 86_400);
        let mut touch = Touch::new(ItemId::new(0), at(days[0]));
        days.iter().for_each(|&day| touch.add(&Action::Purchase, Verdict::Speaks(1.0), at(day)));
        touch
    }

    #[test]
    fn often_lately_and_due_all_raise_the_score() {
        let again = AgainGenerator::default();
        let score = |days: &[i64]| again.score(&touch(days), None, Timestamp::from_secs(100 * 86_400));
        assert!(score(&[10, 50, 90]) > score(&[50, 90]), "more often");
        assert!(score(&[80, 90]) > score(&[70, 80]), "later, both due");
        assert!(score(&[86, 93]) > score(&[23, 93]), "due after a week, not after ten");
        assert!(score(&[100]) > 0.0 && score(&[100]).is_finite());
    }

    #[test]
    fn without_recency_or_habits_it_is_the_count() {
        let config = AgainConfig { lasting_share: 1.0, due_gain: 0.0, ..AgainConfig::default() };
        let score =
            |days: &[i64]| AgainGenerator::new(config.clone()).score(&touch(days), None, fixture::now());
        assert_eq!(vec![score(&[1]), score(&[1, 2]), score(&[1, 2, 3, 4])], [1.0, 2.0, 4.0]);
    }

    #[test]
    fn what_people_come_back_to_leads() {
        // Bob comes back to item 2 and not to item 5, of which Ann has one each.
        let mut log = InteractionLog::default();
        let (ann, bob) = (log.users.intern("ann"), log.users.intern("bob"));
        for (user, item, day) in [(ann, 2, 90), (ann, 5, 90), (bob, 2, 1), (bob, 2, 9), (bob, 5, 9)] {
            log.push(user, ItemId::new(item), &Action::Purchase, None, fixture::day(day));
        }
        let mut snapshot = fixture::snapshot();
        snapshot.histories = Histories::from_log(&log, &ActionWeights::default());
        snapshot.users = log.users;
        let first = |snapshot: Snapshot| {
            let query = fixture::query_of(Request::for_user("ann"), snapshot);
            let mut hits = Hits::default();
            AgainGenerator::default().generate(&query, 1, &mut hits).unwrap();
            hits.ids
        };
        let repeats = Repeats::of(&snapshot.histories, snapshot.catalog.len());
        snapshot.models.insert(Repeats::NAME, repeats);
        assert_eq!(first(snapshot), [ItemId::new(2)]);
    }

    #[test]
    fn looking_and_rejecting_are_not_taking() {
        let query = fixture::query(Request::for_user("ann"));
        let mut hits = Hits::default();
        AgainGenerator::default().generate(&query, 10, &mut hits).unwrap();
        assert!(!hits.ids.contains(&ItemId::new(3)), "Ann hid item 3");
        let query = fixture::query(Request::for_user("ann").surface(Surface::Similar("item1".into())));
        let mut hits = Hits::default();
        AgainGenerator::default().generate(&query, 10, &mut hits).unwrap();
        assert!(hits.is_empty(), "a similar-items page is not about the user");
    }

    #[test]
    fn problems_name_the_field() {
        let check = |config: AgainConfig, want: &[&str]| {
            let problems = config.problems();
            let fields: Vec<&str> = problems.iter().filter_map(|line| line.split(' ').next()).collect();
            assert_eq!(fields, want);
        };
        let ok = AgainConfig::default();
        check(ok.clone(), &[]);
        check(
            AgainConfig { half_life_days: 0.0, lasting_share: 1.1, ..ok.clone() },
            &["half_life_days", "lasting_share"],
        );
        check(
            AgainConfig { lasting_share: f64::NAN, repeat_exponent: -1.0, ..ok },
            &["lasting_share", "repeat_exponent"],
        );
    }
}
