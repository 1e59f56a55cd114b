//! Every local generator keeps the promises of the trait, on every surface and for every kind of user.

use super::again::AgainGenerator;
use super::als::{AlsGenerator, AlsLoss, AlsModel, user_vector};
use super::autoencoder::{AutoencoderGenerator, AutoencoderModel};
use super::bpr::{BprDescent, BprGenerator, BprModel};
use super::neighbors::{NeighborGenerator, Neighbors};
use super::popular::{PopularGenerator, Popularity};
use super::trending::{TrendingGenerator, Trends};
use super::two_tower::{Parts, TwoTowerGenerator, TwoTowerModel};
use super::*;
use crate::conformance;
use crate::error::FaultKind;
use crate::event::{Event, EventId};
use crate::features::UserFeatures;
use crate::fixture;
use crate::linalg::Matrix;
use crate::request::{Context, Request, Surface};
use crate::snapshot::Snapshot;
use crate::time::{Budget, ManualClock};
use crate::trend::Trend;
use std::sync::Arc;
use std::time::Duration;

/// Numbers without a pattern in 0..`n`, with ties.
fn scattered(i: usize, n: usize) -> usize {
    (i * i * 31 + i * 17 + 5) % 1_009 % n
}

fn matrix(n_rows: usize, n_columns: usize) -> Matrix {
    let cells = (0..n_rows * n_columns).map(|i| scattered(i, 100) as f32 / 50.0 - 1.0);
    Matrix::from_vec(n_rows, n_columns, cells.collect())
}

fn neighbors(n_items: usize) -> Neighbors {
    Neighbors::new((0..n_items).map(|item| {
        let near = (0..5).map(|n| ItemId::new(scattered(7 * item + n, n_items) as u32));
        let mut list: Vec<(f32, ItemId)> = near.map(|near| (0.5, near)).collect();
        list.sort_by_key(|row| row.1);
        list.dedup();
        list
    }))
}

/// The fixture with one model of every kind.
fn snapshot() -> Snapshot {
    let mut snapshot = fixture::snapshot();
    let n_items = snapshot.catalog.len();
    let labels = snapshot.catalog.category();
    let users: Vec<u32> = (0..n_items).map(|i| scattered(i, 6) as u32).collect();
    let popularity = Popularity::new(users.clone(), &users, 4, |item| labels.code(item));
    let trend = |i| match scattered(i, 5) {
        0 => Trend::NOTHING,
        weight => Trend::of_event(weight as f32, fixture::day(i as i64), 7.0),
    };
    let loss = AlsLoss { unobserved_weight: 0.1, regularization: 0.01, frequency_exponent: 1.0 };
    let models = &mut snapshot.models;
    models.insert(Popularity::NAME, popularity);
    models.insert(Trends::NAME, Trends::new((0..n_items).map(trend).collect(), 7.0));
    for name in [Neighbors::BY_USERS, Neighbors::BY_CONTENT, Neighbors::BY_VECTOR] {
        models.insert(name, neighbors(n_items));
    }
    let descent = BprDescent { regularization: 0.02, candidates: 8, length: 1.0 };
    let autoencoder = AutoencoderModel::new(matrix(n_items + 1, 4), matrix(n_items, 5));
    models.insert(AutoencoderModel::NAME, autoencoder);
    let towers = Parts {
        embeddings: matrix(n_items, 4),
        items: matrix(n_items, 4),
        hidden: matrix(3, 5),
        bias: vec![0.5; 3],
        output: matrix(4, 3),
    };
    models.insert(TwoTowerModel::NAME, TwoTowerModel::try_from(towers).unwrap());
    models.insert(BprModel::NAME, BprModel { users: matrix(1, 4), items: matrix(n_items, 4), descent });
    models.insert(AlsModel::NAME, AlsModel::new(matrix(1, 4), matrix(n_items, 4), loss));
    snapshot
}

fn generators() -> Vec<Box<dyn CandidateGenerator>> {
    vec![
        Box::new(PopularGenerator),
        Box::new(TrendingGenerator),
        Box::new(NeighborGenerator::by_users()),
        Box::new(NeighborGenerator::by_content()),
        Box::new(NeighborGenerator::by_vector()),
        Box::new(AlsGenerator),
        Box::new(AutoencoderGenerator),
        Box::new(TwoTowerGenerator),
        Box::new(BprGenerator),
        Box::new(AgainGenerator::default()),
        Box::new(Arc::new(PopularGenerator)),
    ]
}

fn requests() -> Vec<Request> {
    let session = Context { session_items: vec!["item4".into(), "nowhere".into()], ..Context::default() };
    let mut requests = vec![Request::similar_to("item3"), Request::similar_to("nowhere")];
    for user in ["ann", "nobody"] {
        requests.push(Request::for_user(user));
        requests.push(Request::for_user(user).context(session.clone()));
        requests.push(Request::for_user(user).surface(Surface::Category("category1".into())));
        requests.push(Request::for_user(user).surface(Surface::Category("nowhere".into())));
    }
    requests
}

#[test]
fn conform() {
    for request in requests() {
        let query = fixture::query_of(request, snapshot());
        for generator in generators() {
            conformance::candidate_generator(&generator, &query);
        }
    }
}

#[test]
fn all_have_something_for_a_known_user() {
    let query = fixture::query_of(Request::for_user("ann"), snapshot());
    for generator in generators() {
        let mut hits = Hits::default();
        generator.generate(&query, 10, &mut hits).unwrap();
        assert!(!hits.is_empty(), "{}", generator.name());
    }
}

/// Beside an item taste has no say; what a source can tell it tells of items that it did not propose, too.
#[test]
fn sources_speak_of_all_items_where_they_propose_any() {
    let silent = ["als", "autoencoder", "two_tower", "bpr", "again"];
    for (request, n_silent) in [(Request::for_user("ann"), 0), (Request::similar_to("item3"), silent.len())] {
        let query = fixture::query_of(request, snapshot());
        let items: Vec<ItemId> = query.snapshot.catalog.ids().collect();
        for generator in generators() {
            let mut scores = vec![f32::NAN; items.len()];
            generator.assess(&query, &items, &mut scores).unwrap();
            let is_silent = silent[..n_silent].contains(&generator.name());
            assert!(scores.iter().all(|score| score.is_nan() == is_silent), "{}", generator.name());
        }
    }
}

#[test]
fn a_model_the_snapshot_lacks_is_a_fault_of_its_own_kind() {
    let query = fixture::query(Request::for_user("ann"));
    for generator in generators().into_iter().filter(|generator| generator.name() != AgainGenerator::NAME) {
        let fault = generator.generate(&query, 10, &mut Hits::default()).unwrap_err();
        assert_eq!((&*fault.component, fault.kind), (generator.name(), FaultKind::NotFound));
    }
}

#[test]
fn als_fills_a_category_with_its_own_items() {
    let request = Request::for_user("ann").surface(Surface::Category("category1".into()));
    let query = fixture::query_of(request, snapshot());
    let mut hits = Hits::default();
    AlsGenerator.generate(&query, 8, &mut hits).unwrap();
    assert_eq!(hits.len(), 8, "as many as asked, though most items are of other categories");
    let labels = query.snapshot.catalog.category();
    assert!(hits.ids.iter().all(|&id| labels.code(id) == labels.find("category1")), "{hits:?}");
}

#[test]
fn als_names_no_item_that_the_catalogue_lacks() {
    let mut snapshot = snapshot();
    let loss = AlsLoss { unobserved_weight: 0.1, regularization: 0.01, frequency_exponent: 1.0 };
    let n_items = snapshot.catalog.len();
    snapshot.models.insert(AlsModel::NAME, AlsModel::new(matrix(1, 4), matrix(2 * n_items, 4), loss));
    let query = fixture::query_of(Request::for_user("ann"), snapshot);
    let mut hits = Hits::default();
    AlsGenerator.generate(&query, 2 * n_items, &mut hits).unwrap();
    assert!(!hits.is_empty() && hits.ids.iter().all(|id| id.index() < n_items), "{hits:?}");
}

#[test]
fn one_more_event_changes_the_users_vector_and_a_rejection_does_not() {
    let snapshot = Arc::new(snapshot());
    let model = snapshot.models.get::<AlsModel>(AlsModel::NAME).unwrap();
    let vector = |user: &str, events: &[(&str, &str)]| {
        let event = |(id, &(item, action)): (u128, &(&str, &str))| Event {
            id: EventId(id),
            user: user.into(),
            item: item.into(),
            action: action.into(),
            value: None,
            at: fixture::now(),
            details: None,
        };
        let events: Vec<Event> = (0..).zip(events).map(event).collect();
        let features = UserFeatures::of(&events);
        let clock = Arc::new(ManualClock::starting_at(fixture::now()));
        let budget = Budget::start(clock, Duration::from_millis(50));
        let request = Arc::new(Request::for_user(user));
        user_vector(&Query::new(request, Arc::clone(&snapshot), Arc::default(), &features, budget), model)
    };
    assert_eq!(vector("nobody", &[]), None, "nothing is known");
    assert_eq!(vector("nobody", &[("item3", "hide")]), None, "a rejection is no liking");
    let one = vector("nobody", &[("item3", "purchase")]);
    assert!(one.is_some(), "the first event makes a vector");
    assert_eq!(vector("nobody", &[("item3", "purchase"), ("item4", "hide")]), one);
    assert_ne!(vector("nobody", &[("item3", "purchase"), ("item4", "purchase")]), one);
    assert_eq!(vector("ann", &[]).as_deref(), Some(model.users.row(0)), "as trained");
    assert_ne!(vector("ann", &[("item7", "purchase")]), vector("ann", &[]));
}
