//! Items that training did not see reach those whose taste they meet, from their first events on.

use super::*;
use crate::interactions::UserTable;
use crate::linalg::Matrix;
use crate::live::Takers;
use crate::retrieve::als::{self, AlsGenerator, AlsLoss, AlsModel};
use crate::store::{Delivery, Place};

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
    Event { id, user: user.into(), item: item.into(), action: Action::Purchase, value, at, details: None }
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
async fn what_was_kept_before_counts_as_if_it_had_just_come() {
    let (restored, told) = (recommender(), recommender());
    let events: Vec<Event> = ["user0", "user2", "user4"].map(|user| bought(user, "item11", None)).to_vec();
    let place = |offset| Place { partition: 0, offset };
    restored.restore(
        (0..).zip(&events).map(|(offset, event)| Delivery { place: place(offset), event: event.clone() }),
    );
    told.ingest(events).await.unwrap();
    assert!(proposed(&restored, "user8") && !proposed(&restored, "user9"));
    let live = |recommender: &Recommender| {
        let snapshot = recommender.snapshot();
        let factors: Vec<_> = recommender.live().newcomers(&snapshot).into_iter().collect();
        (recommender.live().features_of(&"user0".into()), recommender.live().trending(), factors)
    };
    assert_eq!(live(&restored), live(&told));
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

/// Users of three tastes among 8,000, each of them a little their own.
fn three_tastes() -> Snapshot {
    let mut users = UserTable::default();
    let cell = |user: usize, column: usize| {
        let own = ((user * 31 + column * 17) % 23) as f32 / 23.0 - 0.5;
        f32::from(u8::from(column == taste(user))) + 0.4 * own
    };
    let rows = (0..8_000).flat_map(|user| (0..8).map(move |column| cell(user, column))).collect();
    (0..8_000).for_each(|user| {
        users.intern(&format!("user{user}"));
    });
    let loss = AlsLoss { unobserved_weight: 0.5, regularization: 0.005, frequency_exponent: 1.0 };
    let mut snapshot = Snapshot { users, ..snapshot(12) };
    snapshot
        .models
        .insert(AlsModel::NAME, AlsModel::new(Matrix::from_vec(8_000, 8, rows), Matrix::zeros(12, 8), loss));
    snapshot
}

/// The third one is that of the last hundred of every thousand.
fn taste(user: usize) -> usize {
    if user % 1_000 >= 900 { 2 } else { user % 2 }
}

#[test]
fn however_many_took_an_item_they_place_it_as_all_of_them_would() {
    let snapshot = three_tastes();
    let model = snapshot.models.get::<AlsModel>(AlsModel::NAME).unwrap();
    for (n_takers, tolerance) in [(164, 0.0), (1_000, 0.0), (2_000, 0.1), (6_000, 0.1)] {
        let (mut takers, mut all) = (Takers::default(), Vec::new());
        for user in 0..n_takers {
            let weight = 1.0 + (user % 3) as f32;
            // In two events, for these count by what they sum up to.
            takers.add(&format!("user{user}").into(), Timestamp::default(), 1.0);
            takers.add(&format!("user{user}").into(), Timestamp::default(), weight - 1.0);
            all.push((user as u32, AlsLoss::confidence(weight)));
        }
        let (sampled, exact) = (als::newcomer(&snapshot, &takers).unwrap(), model.fold_in_item(&all));
        let length = exact.iter().map(|x| x * x).sum::<f32>().sqrt();
        let apart = sampled.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        assert!(apart <= length * (tolerance + 1e-3), "{n_takers} takers: {apart} of {length}");
    }
}

#[test]
fn only_who_changes_the_sample_costs_a_solve() {
    let (live, snapshot) = (Live::default(), Arc::new(two_tastes(11)));
    let (mut n_solves, mut offset) = (0, 0);
    let mut takes = |user: &str| {
        let place = Place { partition: 0, offset };
        offset += 1;
        let event = Event { id: EventId(offset.into()), ..bought(user, "item11", None) };
        for item in live.apply_kept([(place, &event)], |_| None, |_| true) {
            live.refold(&item, |_| (Arc::clone(&snapshot), Some([1.0].into())));
            n_solves += 1;
        }
        n_solves
    };
    let users: Vec<String> = (0..10_000).map(|user| format!("user{user}")).collect();
    // All of the first thousand, and then on average 1,000 of n for the nth.
    let n_first = users.iter().map(|user| takes(user)).max();
    assert!(n_first.is_some_and(|n| (3_000..3_600).contains(&n)), "{n_first:?} solves");
    let turned_away = users.iter().rev().find(|user| Some(takes(user)) == n_first).unwrap();
    // Once factors are missing, whoever comes has them made.
    users.iter().filter(|user| *user != turned_away).for_each(|user| {
        live.forget(&user.as_str().into());
    });
    assert!(live.newcomers(&snapshot).is_empty());
    takes(turned_away);
    assert_eq!(live.newcomers(&snapshot).len(), 1);
}
