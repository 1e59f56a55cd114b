//! Events in: checked, kept, and felt by the very next request.

use super::Recommender;
use crate::error::Fault;
use crate::event::{Action, ActionWeights, Event, FieldProblem};
use crate::live::Takers;
use crate::retrieve::als;
use crate::snapshot::Snapshot;
use serde::Serialize;
use std::sync::Arc;

/// What became of a batch of events.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ingested {
    /// Events that now count.
    pub accepted: usize,
    /// Events known already; they count once.
    pub duplicates: usize,
    /// Events refused, and why.
    pub rejected: Vec<EventProblem>,
    /// Keys of accepted events' items that the catalogue does not have (yet).
    pub unknown_items: Vec<String>,
    /// Actions of accepted events that have no weight, so that no page will change.
    pub unweighted_actions: Vec<Action>,
}

/// One thing that is wrong with an event; an event that has several is named several times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventProblem {
    /// Position of the event in the batch, from 0.
    pub index: usize,
    /// The field and what is wrong with it.
    #[serde(flatten)]
    pub wrong: FieldProblem,
}

impl Recommender {
    /// Takes events in. Bad ones are named in the answer with all that is wrong with them; the good ones of the batch
    /// are kept. Once this returns, they are with the event sink and the next request sees them.
    ///
    /// An event may be as late as it likes: it counts for the moment at which it happened. One that claims to come up to
    /// a day after the clock happened now; one still further ahead is refused.
    ///
    /// # Errors
    ///
    /// A [`Fault`] of the event sink; then none of the batch counts and it may be sent again.
    pub async fn ingest(&self, events: Vec<Event>) -> Result<Ingested, Fault> {
        let now = self.0.clock.wall();
        let mut outcome = Ingested::default();
        let mut good = Vec::with_capacity(events.len());
        for (index, mut event) in events.into_iter().enumerate() {
            let problems = event.problems(now);
            if problems.is_empty() {
                event.at = event.at.min(now);
                good.push(event);
            }
            outcome.rejected.extend(problems.into_iter().map(|wrong| EventProblem { index, wrong }));
        }
        if good.is_empty() {
            return Ok(outcome);
        }
        let appended = self.0.events.append(&good).await?;
        outcome.accepted = appended.accepted();
        outcome.duplicates = good.len() - outcome.accepted;
        let snapshot = self.snapshot();
        let accepted = good.iter().zip(&appended.places).filter(|(_, place)| place.is_some());
        for (event, _) in accepted {
            self.feel(&snapshot, event, als::newcomer);
            outcome.remark(&snapshot, self.0.live.weights(), event);
        }
        Ok(outcome)
    }

    /// Lets the live layer know of events that were kept before, such as those in the log of an earlier process. They are
    /// not kept once more.
    pub fn restore(&self, events: impl IntoIterator<Item = Event>) {
        let snapshot = self.snapshot();
        for event in events {
            // Factors of new items are made once, when everybody who took them is known.
            self.feel(&snapshot, &event, |_, _| None);
        }
        self.fold_newcomers(&snapshot);
    }

    /// Lets the live layer know of an event; `fold` makes factors of who took an item that is new to the models.
    fn feel(
        &self,
        snapshot: &Snapshot,
        event: &Event,
        fold: impl Fn(&Snapshot, &Takers) -> Option<Arc<[f32]>>,
    ) {
        self.0.live.apply(event);
        if als::is_new(snapshot, &event.item) {
            self.0.live.welcome(event, |takers| {
                let snapshot = self.snapshot();
                let factors = fold(&snapshot, takers);
                (snapshot, factors)
            });
        }
    }
}

impl Ingested {
    /// Notes what an accepted event cannot do.
    fn remark(&mut self, snapshot: &Snapshot, weights: &ActionWeights, event: &Event) {
        let key = event.item.as_str();
        if snapshot.catalog.id(key).is_none() && !self.unknown_items.iter().any(|known| known == key) {
            self.unknown_items.push(key.to_owned());
        }
        let action = &event.action;
        let says_nothing =
            weights.get(action) <= 0.0 && !action.is_rejection() && *action != Action::Impression;
        if says_nothing && !self.unweighted_actions.contains(action) {
            self.unweighted_actions.push(action.clone());
        }
    }
}
