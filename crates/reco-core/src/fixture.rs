//! A small world for tests: a catalogue, a user with a history, a query.

use crate::candidate::{Candidates, SourceHit};
use crate::catalog::{Catalog, ItemRecord};
use crate::event::{Action, ActionWeights};
use crate::features::UserFeatures;
use crate::id::ItemId;
use crate::interactions::{Histories, InteractionLog};
use crate::live::Live;
use crate::query::Query;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::time::{Budget, ManualClock, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Noon of the day after the data ends.
pub(crate) fn now() -> Timestamp {
    day(101)
}

pub(crate) fn day(day: i64) -> Timestamp {
    Timestamp::from_secs(day * 86_400)
}

/// Forty items: four categories and five brands in turn, prices rising from 1, every tenth inactive,
/// item 11 out of stock, margins falling with the price.
pub(crate) fn catalog() -> Catalog {
    let mut builder = Catalog::builder();
    for id in 0..40u8 {
        let record = ItemRecord {
            category: Some(format!("category{}", id % 4)),
            brand: Some(format!("brand{}", id % 5)),
            price: Some(1.0 + f32::from(id)),
            margin: Some(0.5 - f32::from(id) / 100.0),
            stock: (id == 11).then_some(0.0),
            active: Some(id % 10 != 9),
            created_at: Some(day(i64::from(id))),
            ..ItemRecord::new(format!("item{id}"))
        };
        builder.push(record).expect("the record is valid");
    }
    builder.build()
}

/// Ann bought items 1 (twice), 2 and 5, and hid item 3.
pub(crate) fn snapshot() -> Snapshot {
    let mut log = InteractionLog::default();
    let ann = log.users.intern("ann");
    for (item, action, at) in
        [(1, "purchase", 10), (1, "purchase", 40), (2, "purchase", 95), (3, "hide", 96), (5, "purchase", 70)]
    {
        log.push(ann, ItemId::new(item), &Action::from(action), None, day(at));
    }
    Snapshot {
        version: "fixture".into(),
        data_until: day(100),
        catalog: catalog(),
        histories: Histories::from_log(&log, &ActionWeights::default()),
        users: log.users,
        ..Snapshot::default()
    }
}

/// A request in the light of a snapshot, with nothing live.
pub(crate) fn query_of(request: Request, snapshot: Snapshot) -> Query {
    let clock = Arc::new(ManualClock::starting_at(now()));
    let live = Arc::new(Live::default());
    let budget = Budget::start(clock, Duration::from_millis(50));
    Query::new(Arc::new(request), Arc::new(snapshot), live, &UserFeatures::default(), budget)
}

pub(crate) fn query(request: Request) -> Query {
    query_of(request, snapshot())
}

/// Items in this order, with falling scores from one source.
pub(crate) fn candidates(ids: impl IntoIterator<Item = u32>) -> Candidates {
    let mut set = Candidates::new([Arc::from("test")].into());
    for (id, rank) in ids.into_iter().zip(0..) {
        let score = 1.0 / (1.0 + rank as f32);
        let row = set.append(ItemId::new(id), 0.0);
        set.propose(row, 0, SourceHit { rank, score }, score);
    }
    set
}
