//! What the pipeline promises, whatever its parts do.

mod arrivals;
mod assess;
mod explore;
mod fill;
mod kept;
mod moods;
mod newcomers;
mod onboarding;
mod replay;
mod variants;

use super::*;
use crate::candidate::{Candidates, DropCode, KeepMask};
use crate::catalog::{Catalog, ItemRecord};
use crate::error::{OnFault, Rung};
use crate::event::{Action, Event, EventId};
use crate::filter::{Excluded, Filter};
use crate::id::{ItemId, UserKey};
use crate::page::WhyNotReason;
use crate::rank::Ranker;
use crate::rerank::Reranker;
use crate::retrieve::{CandidateGenerator, Support};
use crate::time::{ManualClock, Timestamp};
use async_trait::async_trait;
use std::sync::mpsc;

/// How a part misbehaves, if it does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Fine,
    Faulty,
    Panicking,
    /// Scores and hits that are not finite.
    Nan,
}

impl Mood {
    fn check(self) -> Result<(), Fault> {
        match self {
            Self::Fine | Self::Nan => Ok(()),
            Self::Faulty => Err(Fault::new("whatever", FaultKind::Internal)),
            Self::Panicking => panic!("a bug"),
        }
    }

    fn score(self, score: f32) -> f32 {
        if self == Self::Nan { f32::NAN } else { score }
    }
}

/// Proposes the items `first..`, worst id last.
#[derive(Debug)]
struct From(&'static str, u32, Mood);

impl CandidateGenerator for From {
    fn name(&self) -> &str {
        self.0
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let n_items = query.snapshot.catalog.len() as u32;
        for id in (self.1..n_items).take(limit) {
            out.push(ItemId::new(id), self.2.score(-(id as f32)));
        }
        self.2.check()
    }

    fn support(&self, _: &Query, item: ItemId, out: &mut Vec<Support>) {
        out.push(Support { item, weight: 1.0 });
    }
}

/// Drops every third item.
#[derive(Debug)]
struct NoThirds(Mood);

impl Filter for NoThirds {
    fn name(&self) -> &'static str {
        "no_thirds"
    }

    fn apply(&self, _: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
        let thirds = set.ids().iter().enumerate().filter(|(_, id)| id.raw() % 3 == 0);
        thirds.for_each(|(row, _)| keep.drop_row(row, 0));
        self.0.check()
    }

    fn reason(&self, _: DropCode) -> String {
        "is a third".into()
    }
}

/// Large ids first.
#[derive(Debug)]
struct ById(&'static str, Mood);

impl Ranker for ById {
    fn name(&self) -> &str {
        self.0
    }

    fn score(&self, _: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
        scores.iter_mut().zip(set.ids()).for_each(|(score, id)| *score = self.1.score(id.raw() as f32));
        self.1.check()
    }
}

/// The last becomes the first.
#[derive(Debug)]
struct LastFirst(Mood);

impl Reranker for LastFirst {
    fn name(&self) -> &'static str {
        "last_first"
    }

    fn rerank(&self, _: &Query, set: &mut Candidates, _: usize) -> Result<(), Fault> {
        let n_rows = set.len() as u32;
        let rows: Vec<u32> =
            (0..n_rows).map(|row| (row + n_rows.saturating_sub(1)) % n_rows.max(1)).collect();
        set.select(&rows);
        self.0.check()
    }
}

/// Features that fail on demand.
#[derive(Debug)]
struct Moody(Mood);

#[async_trait]
impl FeatureSource for Moody {
    fn name(&self) -> &'static str {
        "features"
    }

    async fn user(&self, _: &UserKey, _: &Budget) -> Result<Option<Arc<UserFeatures>>, Fault> {
        self.0.check().map(|()| None)
    }
}

use crate::features::FeatureSource;

fn snapshot(n_items: u32) -> Snapshot {
    let mut builder = Catalog::builder();
    for id in 0..n_items {
        builder.push(ItemRecord::new(format!("item{id}"))).unwrap();
    }
    Snapshot { version: "test".into(), catalog: builder.build(), ..Snapshot::default() }
}

fn clock() -> ManualClock {
    ManualClock::starting_at(Timestamp::from_secs(1_700_000_000))
}

fn builder(n_items: u32, clock: &ManualClock) -> RecommenderBuilder {
    Recommender::builder(snapshot(n_items)).clock(Arc::new(clock.clone())).pool(1, 16)
}

fn ids(page: &Page) -> Vec<u32> {
    page.items.iter().map(|item| item.id.raw()).collect()
}

fn components(page: &Page) -> Vec<(&str, FaultKind)> {
    page.faults.iter().map(|fault| (&*fault.component, fault.kind)).collect()
}

#[test]
fn the_stages_run_in_order_and_explain_themselves() {
    let recommender = builder(10, &clock())
        .generator(From("a", 0, Mood::Fine), Quotas::everywhere(8))
        .generator(From("b", 4, Mood::Fine), Quotas::everywhere(2))
        .filter(NoThirds(Mood::Fine), OnFault::Fail)
        .ranker(ById("by_id", Mood::Fine))
        .reranker(LastFirst(Mood::Fine))
        .build()
        .unwrap();
    let request = Request::for_user("ann").count(3).why_not(["item3", "item2", "item8", "item9", "nope"]);
    let page = recommender.recommend_now(request).unwrap();
    assert_eq!((ids(&page), page.rung), (vec![1, 7, 5], Rung::Full));
    let why = page.items[2].why.as_ref().unwrap();
    let sources: Vec<_> = why.sources.iter().map(|reason| (&*reason.source, reason.rank)).collect();
    assert_eq!(sources, [("b", 2), ("a", 6)]);
    assert_eq!((why.moves[0].from, why.moves[0].to), (2, 3));
    assert_eq!(why.because[0].item.as_str(), "item5");
    let reasons: Vec<_> = page.why_not.iter().map(|answer| &answer.reason).collect();
    assert!(matches!(reasons[0], WhyNotReason::Filtered { because, .. } if because == "is a third"));
    assert!(matches!(reasons[1], WhyNotReason::Outranked { rank: 5, .. }), "{:?}", reasons[1]);
    assert_eq!(reasons[2], &WhyNotReason::NeverProposed);
    assert!(matches!(reasons[3], WhyNotReason::Filtered { .. }), "nobody proposed it, and no wonder");
    assert_eq!(reasons[4], &WhyNotReason::UnknownItem);
}

#[test]
fn quotas_differ_by_surface() {
    let recommender = builder(10, &clock())
        .generator(From("a", 0, Mood::Fine), Quotas::everywhere(4).on("similar", 0))
        .generator(From("b", 5, Mood::Fine), Quotas::everywhere(0).on("similar", 4))
        .build()
        .unwrap();
    let home = recommender.recommend_now(Request::for_user("ann").count(2)).unwrap();
    let similar = recommender.recommend_now(Request::similar_to("item1").count(2)).unwrap();
    assert_eq!((ids(&home), ids(&similar)), (vec![0, 1], vec![5, 6]));
}

#[test]
fn bad_requests_are_refused_by_field() {
    let recommender = builder(3, &clock()).build().unwrap();
    let field = |request| match recommender.recommend_now(request) {
        Err(RecommendError::InvalidRequest { field, problem }) => (field, problem),
        other => panic!("{other:?}"),
    };
    assert_eq!(field(Request::for_user("a").count(0)), ("count", "is 0, must be 1 to 1000".to_owned()));
    assert_eq!(field(Request::similar_to("nope")).0, "item_id");
    assert_eq!(field(Request::for_user("a").surface(Surface::Category("x".into()))).0, "category");
    let many = Request::for_user("a").exclude((0..1_001).map(|i| i.to_string()));
    assert_eq!(field(many), ("exclude", "names 1001 items, at most 1000 are allowed".to_owned()));
}

#[test]
fn names_must_be_unique_and_weights_sane() {
    let twice = builder(3, &clock())
        .generator(From("a", 0, Mood::Fine), Quotas::everywhere(4))
        .generator(From("a", 1, Mood::Fine), Quotas::everywhere(4));
    assert_eq!(twice.build().unwrap_err().to_string(), "two generators are named `a`; names must be unique");
    let weightless = builder(3, &clock()).generator_with(
        Arc::new(From("a", 0, Mood::Fine)),
        Quotas::default(),
        f32::NAN,
        OnFault::Skip,
    );
    assert!(matches!(weightless.build(), Err(BuildError::Weight { .. })));
}

/// Spends the whole budget before it answers.
#[derive(Debug)]
struct Slow(ManualClock);

impl CandidateGenerator for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn generate(&self, _: &Query, _: usize, out: &mut Hits) -> Result<(), Fault> {
        self.0.advance(Duration::from_millis(200));
        out.push(ItemId::new(7), 1.0);
        Ok(())
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {}
}

#[test]
fn when_time_is_up_the_page_is_made_of_what_there_is() {
    let clock = clock();
    let recommender = builder(10, &clock)
        .generator(Slow(clock.clone()), Quotas::everywhere(5))
        .generator(From("late", 0, Mood::Fine), Quotas::everywhere(5))
        .ranker(ById("by_id", Mood::Fine))
        .reranker(LastFirst(Mood::Fine))
        .build()
        .unwrap();
    let page = recommender.recommend_now(Request::for_user("ann").count(1)).unwrap();
    assert_eq!((ids(&page), page.rung), (vec![7], Rung::CandidateScores));
    let late = ["late", "by_id", "last_first"].map(|name| (name, FaultKind::Timeout));
    assert_eq!(components(&page), late);
}

/// Does not return before the test lets it; on the way in it tells the test.
#[derive(Debug)]
struct Stuck {
    entered: mpsc::SyncSender<()>,
    release: Mutex<mpsc::Receiver<()>>,
}

impl CandidateGenerator for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn generate(&self, _: &Query, _: usize, _: &mut Hits) -> Result<(), Fault> {
        let _ = self.entered.send(());
        let _ = self.release.lock().recv();
        Ok(())
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {}
}

#[tokio::test]
async fn a_generator_that_hangs_is_left_behind_and_named() {
    let (entered, has_entered) = mpsc::sync_channel(1);
    let (let_go, release) = mpsc::channel();
    let clock = clock();
    let stuck = Stuck { entered, release: Mutex::new(release) };
    let recommender = builder(10, &clock)
        .pool(3, 16)
        .generator(From("quick", 0, Mood::Fine), Quotas::everywhere(5))
        .generator(stuck, Quotas::everywhere(5))
        .build()
        .unwrap();
    let answer = tokio::spawn({
        let recommender = recommender.clone();
        async move { recommender.recommend(Request::for_user("ann").count(3)).await }
    });
    tokio::task::spawn_blocking(move || has_entered.recv()).await.unwrap().unwrap();
    clock.advance(Duration::from_millis(35));
    let page = answer.await.unwrap().unwrap();
    let_go.send(()).unwrap();
    assert_eq!(ids(&page), [0, 1, 2]);
    assert!(components(&page).contains(&("stuck", FaultKind::Timeout)), "{:?}", page.faults);
}

#[tokio::test]
async fn when_every_thread_hangs_the_static_page_comes() {
    let (entered, has_entered) = mpsc::sync_channel(1);
    let (let_go, release) = mpsc::channel();
    let clock = clock();
    let stuck = Stuck { entered, release: Mutex::new(release) };
    let recommender =
        builder(10, &clock).generator(stuck, Quotas::everywhere(5)).filter(Excluded, OnFault::Fail);
    let recommender = recommender.build().unwrap();
    let answer = tokio::spawn({
        let recommender = recommender.clone();
        async move { recommender.recommend(Request::for_user("ann").count(3).exclude(["item1"])).await }
    });
    tokio::task::spawn_blocking(move || has_entered.recv()).await.unwrap().unwrap();
    clock.advance(Duration::from_millis(60));
    let page = answer.await.unwrap().unwrap();
    let_go.send(()).unwrap();
    assert_eq!((ids(&page), page.rung), (vec![0, 2, 3], Rung::Static));
}

#[tokio::test]
async fn an_event_is_felt_by_the_next_request_and_counts_once() {
    let recommender = builder(10, &clock()).build().unwrap();
    let event = |id, item: &str, secs| Event {
        id: EventId(id),
        user: "ann".into(),
        item: item.into(),
        action: Action::Purchase,
        value: None,
        at: Timestamp::from_secs(secs),
        details: None,
    };
    let batch = vec![
        event(1, "item1", 1_700_000_000),
        event(2, "", 1_700_000_000),
        event(3, "item2", 1_800_000_000),
        event(4, "new", 1_700_000_000),
    ];
    let outcome = recommender.ingest(batch).await.unwrap();
    assert_eq!((outcome.accepted, outcome.unknown_items), (2, vec!["new".to_owned()]));
    let refused: Vec<_> =
        outcome.rejected.iter().map(|problem| (problem.index, &*problem.wrong.field)).collect();
    assert_eq!(refused, [(1, "item_id"), (2, "timestamp")]);
    assert_eq!(recommender.live().features_of(&"ann".into()).unwrap().recent().len(), 2);
}
