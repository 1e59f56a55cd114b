//! Items that training did not see reach those whose taste they meet, from their first events on.

use super::*;
use crate::interactions::UserTable;
use crate::linalg::Matrix;
use crate::retrieve::als::{AlsGenerator, AlsLoss, AlsModel};

/// Even users like even items, odd users odd ones; `n_trained` of 12 items have factors.
fn two_tastes(n_trained: usize) -> Snapshot {
    let rows = |n: usize, n_known: usize| {
        let cell = |cell: usize| if cell / 2 < n_known && cell / 2 % 2 == cell % 2 { 0.9 } else { 0.0 };
        Matrix::from_vec(n, 2, (0..n * 2).map(cell).collect())
    };
    let mut users = UserTable::default();
    (0..20).for_each(|user| {
        users.intern(&format!("user{user}"));
    });
    let loss = AlsLoss { unobserved_weight: 0.1, regularization: 0.01, frequency_exponent: 1.0 };
    let mut snapshot = Snapshot { users, ..snapshot(12) };
    snapshot.models.insert(AlsModel::NAME, AlsModel::new(rows(20, 20), rows(12, n_trained), loss));
    snapshot
}

fn recommender() -> Recommender {
    let builder = Recommender::builder(two_tastes(11)).clock(Arc::new(clock())).pool(1, 16);
    builder.generator(AlsGenerator, Quotas::everywhere(7)).build().unwrap()
}

fn bought(user: &str, item: &str, value: Option<f32>) -> Event {
    let at = Timestamp::from_secs(1_700_000_000);
    let id = EventId(
        user.bytes().chain([u8::from(value.is_some())]).fold(7, |id, byte| id * 31 + u128::from(byte)),
    );
    Event { id, user: user.into(), item: item.into(), action: Action::Purchase, value, at }
}

/// Whether `als` proposes the item that training did not see.
fn proposed(recommender: &Recommender, user: &str) -> bool {
    let (_, candidates) = recommender.candidates_now(Request::for_user(user)).unwrap();
    candidates.ids().contains(&ItemId::new(11))
}

#[tokio::test]
async fn a_new_item_reaches_those_of_its_takers_taste_only() {
    let recommender = recommender();
    assert!(!proposed(&recommender, "user8"));
    let takers = ["user0", "user2", "user4", "nobody"];
    let events = takers.map(|user| bought(user, "item11", None)).to_vec();
    recommender.ingest(events).await.unwrap();
    assert!(proposed(&recommender, "user8"));
    assert!(!proposed(&recommender, "user9"));
    // So it is under the next models, until they know the item themselves.
    recommender.swap(two_tastes(10));
    assert!(proposed(&recommender, "user8") && !proposed(&recommender, "user9"));
    recommender.swap(two_tastes(12));
    assert!(!proposed(&recommender, "user8") && proposed(&recommender, "user9"));
}

#[tokio::test]
async fn what_is_taken_back_or_forgotten_counts_no_more() {
    let recommender = recommender();
    recommender.ingest(vec![bought("user0", "item11", None)]).await.unwrap();
    assert!(proposed(&recommender, "user8"));
    recommender.ingest(vec![bought("user0", "item11", Some(-1.0))]).await.unwrap();
    assert!(!proposed(&recommender, "user8"));
    recommender.ingest(vec![bought("user2", "item11", None)]).await.unwrap();
    assert!(proposed(&recommender, "user8"));
    recommender.live().forget(&"user2".into());
    assert!(!proposed(&recommender, "user8"));
}

#[tokio::test]
async fn takers_that_training_did_not_know_say_nothing() {
    let recommender = recommender();
    recommender.ingest(vec![bought("nobody", "item11", None)]).await.unwrap();
    assert!(!proposed(&recommender, "user8") && !proposed(&recommender, "user9"));
}
