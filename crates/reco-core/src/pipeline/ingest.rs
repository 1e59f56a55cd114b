//! Events in: checked, kept, and felt by the very next request.

use super::Recommender;
use crate::error::Fault;
use crate::event::{Action, ActionWeights, Event, FieldProblem};
use crate::id::ItemKey;
use crate::retrieve::als;
use crate::snapshot::Snapshot;
use crate::store::{Delivery, Place};
use serde::Serialize;
use std::collections::BTreeSet;

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
        let kept: Vec<(Place, &Event)> =
            appended.places.iter().zip(&good).filter_map(|(place, event)| Some(((*place)?, event))).collect();
        let snapshot = self.snapshot();
        kept.iter().for_each(|(_, event)| outcome.remark(&snapshot, self.0.live.weights(), event));
        self.feel(&snapshot, kept);
        Ok(outcome)
    }

    /// Lets the live layer know of events that are kept already: those in the log of an earlier process, or of
    /// others. What it knows from before counts once.
    pub fn restore(&self, deliveries: impl IntoIterator<Item = Delivery>) {
        let mut deliveries = deliveries.into_iter();
        let snapshot = self.snapshot();
        loop {
            let some: Vec<Delivery> = deliveries.by_ref().take(1_000).collect();
            if some.is_empty() {
                break;
            }
            // Factors of new items are made once, when everybody who took them is known.
            self.apply(&snapshot, some.iter().map(|Delivery { place, event }| (*place, event)));
        }
        self.fold_newcomers(&snapshot);
    }

    /// Lets the live layer know of events, and makes factors of those who took an item that is new to the models.
    pub(super) fn feel<'a>(&self, snapshot: &Snapshot, kept: impl IntoIterator<Item = (Place, &'a Event)>) {
        for item in self.apply(snapshot, kept) {
            self.0.live.refold(&item, |takers| {
                // It may have been swapped meanwhile.
                let snapshot = self.snapshot();
                let factors = als::newcomer(&snapshot, takers);
                (snapshot, factors)
            });
        }
    }

    /// Lets the live layer know of events and returns the items that need new factors.
    fn apply<'a>(
        &self,
        snapshot: &Snapshot,
        kept: impl IntoIterator<Item = (Place, &'a Event)>,
    ) -> BTreeSet<ItemKey> {
        let catalog = &snapshot.catalog;
        let category = |item: &ItemKey| catalog.category_of(item.as_str());
        self.0.live.apply_kept(kept, category, |item| als::is_new(snapshot, item))
    }
}

impl Ingested {
    /// Notes what an accepted event cannot do.
    fn remark(&mut self, snapshot: &Snapshot, weights: &ActionWeights, event: &Event) {
        let key = event.item.as_str();
        if event.action == Action::Exposure {
            return;
        }
        if snapshot.catalog.id(key).is_none() && !self.unknown_items.iter().any(|known| known == key) {
            self.unknown_items.push(key.to_owned());
        }
        let action = &event.action;
        let says_nothing = weights.get(action) <= 0.0
            && !action.is_rejection()
            && !matches!(action, Action::Impression | Action::Interest);
        if says_nothing && !self.unweighted_actions.contains(action) {
            self.unweighted_actions.push(action.clone());
        }
    }
}
