//! Items that come while serving: live at once, shown as often as they may be, and new until a snapshot knows them.

use super::*;
use crate::cache::Life;
use crate::embed::{TextEmbedder, TextIndex, TextVectors, TfIdfParams};
use crate::interactions::{Histories, InteractionLog};
use crate::launch::{Counted, ExposureBudget, LaunchConfig, place};
use crate::linalg::Matrix;
use crate::retrieve::neighbors::Neighbors;
use crate::retrieve::popular::Popularity;
use crate::store::ItemLog;
use futures_util::future::join_all;
use std::sync::atomic::{AtomicBool, Ordering};

/// Teas and breads in turn.
fn item(key: &str, title: &str) -> ItemRecord {
    ItemRecord { title: Some(title.to_owned()), ..ItemRecord::new(key) }
}

/// Thirty items that are like their kind, of which the first ten users took some; and what else is known.
pub(super) fn shop(version: &str, more: &[ItemRecord]) -> Snapshot {
    let kind = |id: u32| if id.is_multiple_of(2) { "green tea" } else { "rye bread" };
    let mut builder = Catalog::builder();
    for id in 0..30 {
        builder.push(item(&format!("item{id}"), &format!("{} number{id}", kind(id)))).unwrap();
    }
    for item in more {
        builder.push(item.clone()).unwrap();
    }
    let catalog = builder.build();
    let mut log = InteractionLog::default();
    for user in 0..10u32 {
        let row = log.users.intern(&format!("user{user}"));
        log.push(row, ItemId::new(user), &Action::Purchase, None, Timestamp::from_secs(1_600_000_000));
    }
    let index = TextIndex::of(&catalog, &TfIdfParams { max_share: 1.0, ..TfIdfParams::default() });
    let near = catalog.ids().map(|id| {
        let near = index.nearest(&index.vector(&catalog, id), 11);
        near.into_iter().filter(|(_, other)| *other != id).collect::<Vec<_>>()
    });
    let (content, popularity) = (Neighbors::new(near), Popularity::default());
    let histories = Histories::from_log(&log, &crate::event::ActionWeights::default());
    let mut snapshot =
        Snapshot { version: version.into(), catalog, users: log.users, histories, ..Snapshot::default() };
    snapshot.models.insert(Neighbors::BY_CONTENT, content);
    snapshot.models.insert(Popularity::NAME, popularity);
    snapshot
}

pub(super) fn config(launch: LaunchConfig) -> PipelineConfig {
    let usual = PipelineConfig::default();
    let sources = usual.sources.iter().filter(|(name, _)| ["content", "popular"].contains(&name.as_str()));
    let sources = sources.map(|(name, source)| (name.clone(), source.clone())).collect();
    PipelineConfig { sources, ranker: RankerName::Votes, launch, threads: 1, ..usual }
}

fn serving(launch: LaunchConfig) -> RecommenderBuilder {
    config(launch).builder(shop("v1", &[])).unwrap().clock(Arc::new(clock()))
}

pub(super) fn everybody() -> LaunchConfig {
    LaunchConfig { share: 1.0, promoted_share: 1.0, ..LaunchConfig::default() }
}

fn keys(page: &Page) -> Vec<&str> {
    page.items.iter().map(|item| item.key.as_str()).collect()
}

fn page(recommender: &Recommender, user: &str) -> Page {
    let page = recommender.recommend_now(Request::for_user(user)).unwrap();
    assert!(!page.is_degraded(), "{user}: {:?}", page.warnings());
    page
}

pub(super) fn new_tea() -> ItemRecord {
    item("new tea", "Green tea, just in")
}

#[test]
fn what_came_is_in_its_slot_at_once_for_those_who_are_shown_it_and_for_nobody_else() {
    let recommender =
        serving(LaunchConfig { share: 0.5, promoted_share: 0.5, ..everybody() }).build().unwrap();
    assert_eq!(recommender.add_items(vec![new_tea()]).unwrap(), [Arrived::Added]);
    let (mut n_in, users) = (0, (0..10).map(|user| format!("user{user}")));
    for user in users {
        let page = page(&recommender, &user);
        let is_shown = place(&user.as_str().into(), &"new tea".into()) < 0.5;
        assert_eq!(keys(&page).iter().position(|key| *key == "new tea"), is_shown.then_some(9), "{user}");
        assert_eq!(page.introduced.len(), usize::from(is_shown));
        if let Some(why) = page.items.get(9).and_then(|item| item.why.as_ref()).filter(|_| is_shown) {
            assert!(why.sources.iter().any(|reason| &*reason.source == "new"), "{why:?}");
        }
        n_in += usize::from(is_shown);
    }
    assert!((2..9).contains(&n_in), "{n_in} of ten");
}

#[test]
fn it_is_like_what_shares_its_words() {
    let recommender = serving(everybody()).build().unwrap();
    recommender.add_items(vec![item("new rye", "Rye bread"), new_tea()]).unwrap();
    let similar = Request::for_user("bob").surface(Surface::Similar("new tea".into())).count(5);
    let similar = recommender.recommend_now(similar).unwrap();
    let snapshot = recommender.snapshot();
    let titles: Vec<&str> = similar.items.iter().map(|item| snapshot.catalog.title(item.id)).collect();
    assert!(titles.len() == 5 && titles.iter().all(|title| title.contains("tea")), "{titles:?}");
    // Each sees the one that is more like what they took.
    assert_eq!(page(&recommender, "user2").introduced, ["new tea".into()]);
    assert_eq!(page(&recommender, "user3").introduced, ["new rye".into()]);
}

/// Knows what is drunk and what is eaten, by whatever name; at times it does not work.
#[derive(Debug, Default)]
struct Senses {
    is_down: AtomicBool,
}

impl TextEmbedder for Senses {
    fn name(&self) -> &'static str {
        "senses"
    }

    fn dimension(&self) -> usize {
        2
    }

    fn embed(&self, texts: &[&str]) -> Result<Matrix, Fault> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(Fault::new("senses", FaultKind::Unavailable));
        }
        let is_drunk =
            |text: &&str| ["tea", "matcha"].iter().any(|drink| text.to_lowercase().contains(drink));
        let vectors = texts.iter().flat_map(|text| if is_drunk(text) { [1.0, 0.0] } else { [0.0, 1.0] });
        Ok(Matrix::from_vec(texts.len(), 2, vectors.collect()))
    }
}

/// The shop, its items compared by what `senses` make of them.
fn sensed(version: &str, senses: &Senses) -> Snapshot {
    let mut snapshot = shop(version, &[]);
    let vectors = TextVectors::of(&snapshot.catalog, senses, |_| ()).unwrap();
    snapshot.models.insert(TextVectors::NAME, vectors);
    snapshot
}

fn titles_like(recommender: &Recommender, key: &str) -> Vec<String> {
    let similar = Request::for_user("bob").surface(Surface::Similar(key.into())).count(5);
    let (snapshot, similar) = (recommender.snapshot(), recommender.recommend_now(similar).unwrap());
    similar.items.iter().map(|item| snapshot.catalog.title(item.id).to_owned()).collect()
}

#[test]
fn it_is_like_what_means_much_the_same_where_the_snapshot_was_made_so() {
    let senses = Arc::new(Senses::default());
    let recommender = config(everybody()).builder(sensed("v1", &senses)).unwrap();
    let recommender =
        recommender.clock(Arc::new(clock())).embedder(Arc::clone(&senses) as _).build().unwrap();
    recommender.add_items(vec![item("powder", "Matcha")]).unwrap();
    recommender.add_items(vec![item("bowl", "Matcha in a bowl"), item("bun", "Bun")]).unwrap();
    let all = |key: &str, word: &str| {
        let titles = titles_like(&recommender, key);
        assert!(titles.len() == 5 && titles.iter().all(|title| title.contains(word)), "{key}: {titles:?}");
    };
    all("powder", "tea");
    all("bun", "bread");
    // The next snapshot gets them along, by the same vectors: nothing is embedded again.
    senses.is_down.store(true, Ordering::Relaxed);
    let next = sensed("v2", &Senses::default());
    recommender.swap(next);
    all("powder", "tea");
    all("bun", "bread");
    // One without vectors compares by words, of which it knows none of these.
    recommender.swap(shop("v3", &[]));
    let snapshot = recommender.snapshot();
    let content: &Neighbors = snapshot.models.get(Neighbors::BY_CONTENT).unwrap();
    assert_eq!(content.of(snapshot.catalog.id("powder").unwrap()).count(), 0);
}

#[test]
fn what_cannot_be_embedded_is_not_taken_in_and_may_come_again() {
    let senses = Arc::new(Senses::default());
    let recommender = config(everybody()).builder(sensed("v1", &senses)).unwrap();
    let recommender = recommender.embedder(Arc::clone(&senses) as _).build().unwrap();
    recommender.add_items(vec![item("bun", "Bun")]).unwrap();
    senses.is_down.store(true, Ordering::Relaxed);
    assert_eq!(recommender.add_items(vec![new_tea()]).unwrap_err().kind, FaultKind::Unavailable);
    assert!(recommender.snapshot().catalog.id("new tea").is_none());
    senses.is_down.store(false, Ordering::Relaxed);
    assert_eq!(recommender.add_items(vec![new_tea()]).unwrap(), [Arrived::Added]);
    assert!(titles_like(&recommender, "new tea").iter().all(|title| title.contains("tea")));
    // Those that came before keep their places.
    recommender.add_items(vec![item("roll", "Roll")]).unwrap();
    let (snapshot, id) =
        (recommender.snapshot(), |key: &str| recommender.snapshot().catalog.id(key).unwrap());
    let content: &Neighbors = snapshot.models.get(Neighbors::BY_CONTENT).unwrap();
    assert!(content.similarity(id("roll"), id("bun")) > 0.9);
    assert!(content.similarity(id("roll"), id("new tea")) < 0.1);
}

#[test]
fn each_is_judged_by_itself() {
    let recommender = serving(everybody()).build().unwrap();
    let wrong = ItemRecord { price: Some(-1.0), stock: Some(f32::NAN), ..ItemRecord::new("") };
    let other = item("new tea", "Another tea");
    let batch = vec![new_tea(), new_tea(), other, item("item7", "Rye"), wrong];
    let outcomes = recommender.add_items(batch).unwrap();
    assert_eq!(outcomes[..4], [Arrived::Added, Arrived::Known, Arrived::Taken, Arrived::Taken]);
    let Arrived::Invalid { problems } = &outcomes[4] else { panic!("{outcomes:?}") };
    let fields: Vec<&str> = problems.iter().map(|problem| &*problem.field).collect();
    assert_eq!(fields, ["item_id", "price", "stock"]);
    assert_eq!(recommender.add_items(vec![new_tea()]).unwrap(), [Arrived::Known]);
    assert_eq!(recommender.snapshot().catalog.len(), 31);
}

#[test]
fn it_survives_a_restart_and_is_new_until_a_snapshot_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("items");
    let open = || serving(everybody()).items(ItemLog::open(&path).unwrap()).build().unwrap();
    open().add_items(vec![new_tea()]).unwrap();
    let recommender = open();
    let is_shown = |user: &str| keys(&page(&recommender, user)).contains(&"new tea");
    assert!(is_shown("user1"));
    recommender.swap(shop("v2", &[]));
    assert!(is_shown("user1"), "the next snapshot does not know it, either");
    assert_eq!(recommender.live().launches().len(), 1);
    recommender.swap(shop("v3", &[new_tea()]));
    assert_eq!(recommender.live().launches(), []);
    assert!(page(&recommender, "user1").introduced.is_empty());
    assert_eq!(recommender.snapshot().catalog.len(), 31, "it is there once");
}

fn events(action: &Action, n: usize, first: u128) -> Vec<Event> {
    let event = |id: u128| Event {
        id: EventId(id),
        user: format!("user{}", id % 97).as_str().into(),
        item: "new tea".into(),
        action: action.clone(),
        value: None,
        at: Timestamp::from_secs(1_700_000_000),
        details: None,
    };
    (first..first + n as u128).map(event).collect()
}

#[tokio::test]
async fn who_clicks_decides_who_sees_it_next() {
    for (n_clicks, share) in [(30, 0.0), (31, 0.2)] {
        let recommender = serving(LaunchConfig::default()).build().unwrap();
        recommender.add_items(vec![new_tea()]).unwrap();
        let n_shown = || {
            let users = (0..1_000).map(|user| format!("someone{user}"));
            // Of strangers nothing is known but what is popular.
            let page = |user: String| recommender.recommend_now(Request::for_user(user)).unwrap();
            users.map(page).filter(|page| !page.introduced.is_empty()).count()
        };
        assert!((30..75).contains(&n_shown()), "a twentieth");
        recommender.ingest(events(&Action::Click, n_clicks, 1)).await.unwrap();
        recommender.ingest(events(&Action::Impression, 999, 1_000)).await.unwrap();
        assert!((30..75).contains(&n_shown()), "nothing is decided yet");
        // The same once more counts once.
        recommender.ingest(events(&Action::Impression, 1_000, 1_000)).await.unwrap();
        let n_shown = n_shown() as f64 / 1_000.0;
        assert!((n_shown - share).abs() < 0.05, "{n_clicks} clicks: {n_shown}");
    }
}

#[tokio::test]
async fn nobody_sees_it_more_often_than_it_may_be_seen_kept_pages_included() {
    let budget = Arc::new(Counted::default());
    let launch = LaunchConfig { impressions: 20, budget: Some(20), ..everybody() };
    let pages = PageCache::new(Life::LISTS, 1 << 20, Arc::new(clock()));
    let recommender = serving(launch).pages(pages).exposures(Arc::clone(&budget) as _).build().unwrap();
    recommender.add_items(vec![new_tea()]).unwrap();
    // Each asks three times, and finds a page that was kept.
    let users: Vec<String> = (0..16).map(|user| format!("user{user}")).collect();
    let mut n_shown = 0;
    for _ in 0..3 {
        let asked = users.iter().map(|user| recommender.recommend(Request::for_user(user.as_str())));
        for page in join_all(asked).await {
            n_shown += page.unwrap().introduced.len();
        }
    }
    assert_eq!(n_shown, 20);
    assert!(!budget.take(&"new tea".into(), 20));
}
