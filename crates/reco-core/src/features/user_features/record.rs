//! A user's features together with which events are in them.

use super::taken::{Arrival, TakenEvents};
use super::{StoredError, UserFeatures};
use crate::event::{ActionWeights, Event};
use crate::store::Place;

/// What events come to depends on these beside the events. Whoever feeds the same users keeps to the same rules, and so
/// does the [live layer](crate::live::Live), by the names `weights` and `events_per_user`.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRules {
    /// How events are weighed: those that are part of no history leave nothing behind.
    pub weights: ActionWeights,
    /// Latest events kept, one by one.
    pub most_recent: usize,
}

impl Default for FeatureRules {
    fn default() -> Self {
        Self { weights: ActionWeights::default(), most_recent: 100 }
    }
}

/// A user's features and which events of the log are in them. Both change in one step, so that whoever stores both in one
/// step counts every event once, however often the log hands it out.
///
/// ```
/// use reco_core::event::{Action, Event, EventId};
/// use reco_core::features::{FeatureRules, UserRecord};
/// use reco_core::store::Place;
/// use reco_core::time::Timestamp;
///
/// let event = Event {
///     id: EventId(1),
///     user: "ann".into(),
///     item: "tea".into(),
///     action: Action::View,
///     value: None,
///     at: Timestamp::from_secs(1_700_000_000),
///     details: None,
/// };
/// let (place, rules) = (Place { partition: 0, offset: 7 }, FeatureRules::default());
/// let mut record = UserRecord::default();
/// assert!(record.take(place, &event, Some("drinks"), &rules));
/// assert!(!record.take(place, &event, Some("drinks"), &rules), "it is known");
/// let stored = (record.features().encode(), record.taken().encode());
/// assert_eq!(UserRecord::decode(&stored.0, &stored.1)?, record);
/// # Ok::<(), reco_core::features::StoredError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserRecord {
    features: UserFeatures,
    taken: TakenEvents,
}

impl UserRecord {
    /// What both were stored as.
    ///
    /// # Errors
    ///
    /// When one of them is anything else.
    pub fn decode(features: &[u8], taken: &[u8]) -> Result<Self, StoredError> {
        Ok(Self { features: UserFeatures::decode(features)?, taken: TakenEvents::decode(taken)? })
    }

    /// Takes in an event that is kept at a place of the log, on an item of `category`, and says whether that changed
    /// anything. It does not if the event was taken in from that place, or is part of no history. One that was taken in
    /// from another place does not count again; its place is kept in mind.
    pub fn take(
        &mut self,
        place: Place,
        event: &Event,
        category: Option<&str>,
        rules: &FeatureRules,
    ) -> bool {
        let verdict = rules.weights.verdict(&event.action, event.value);
        if !verdict.is_remembered(&event.action) {
            return false;
        }
        let arrival = self.taken.insert(place, event.id);
        if arrival == Arrival::New {
            self.features.add(event, place.offset, category, rules.most_recent);
        }
        arrival != Arrival::Again
    }

    /// What events came to.
    pub fn features(&self) -> &UserFeatures {
        &self.features
    }

    /// Which events that were.
    pub fn taken(&self) -> &TakenEvents {
        &self.taken
    }
}

#[cfg(test)]
mod tests;
