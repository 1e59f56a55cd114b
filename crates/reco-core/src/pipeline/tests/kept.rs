//! Pages and features that are kept, and when they are not.

use super::*;
use crate::cache::{Cache, Layer, Life, MemoryCache};
use futures_util::future::join_all;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Proposes everything, the user's own latest item first, and counts how often it is asked.
#[derive(Debug, Default, Clone)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl CandidateGenerator for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let own = query.history().iter().map(|touch| touch.item);
        let all = own.chain((0..query.snapshot.catalog.len() as u32).map(ItemId::new));
        all.take(limit).zip(0u8..).for_each(|(id, place)| out.push(id, -f32::from(place)));
        Ok(())
    }

    fn support(&self, _: &Query, item: ItemId, out: &mut Vec<Support>) {
        out.push(Support { item, weight: 1.0 });
    }
}

/// Keeps the order in which candidates were merged.
#[derive(Debug)]
struct AsMerged;

impl Ranker for AsMerged {
    fn name(&self) -> &'static str {
        "as_merged"
    }

    fn score(&self, _: &Query, _: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
        scores.iter_mut().zip(0u8..).for_each(|(score, place)| *score = -f32::from(place));
        Ok(())
    }
}

fn pages(clock: &ManualClock) -> PageCache {
    PageCache::new(Life::LISTS, 1 << 20, Arc::new(clock.clone()))
}

fn keeping(clock: &ManualClock) -> (Recommender, Counted) {
    let counted = Counted::default();
    let builder = builder(30, clock).generator(counted.clone(), Quotas::everywhere(20)).ranker(AsMerged);
    (builder.pages(pages(clock)).build().unwrap(), counted)
}

fn event(id: u8, item: &str) -> Event {
    Event {
        id: EventId(id.into()),
        user: "ann".into(),
        item: item.into(),
        action: Action::Purchase,
        value: None,
        at: clock().wall().plus_days(f64::from(id) - 10.0),
        details: None,
    }
}

async fn found(recommender: &Recommender, request: Request) -> Option<Layer> {
    recommender.recommend(request).await.unwrap().found
}

#[tokio::test]
async fn a_thousand_equal_requests_are_computed_once() {
    let (recommender, counted) = keeping(&clock());
    let answers = join_all((0..1_000).map(|_| recommender.recommend(Request::for_user("ann")))).await;
    let pages: Vec<Page> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(counted.times(), 1);
    assert!(pages.iter().all(|page| page.items == pages[0].items && page.items.len() == 10));
}

#[tokio::test]
async fn whatever_a_page_depends_on_leads_to_another() {
    let (recommender, counted) = keeping(&clock());
    let ask = || Request::for_user("ann");
    let first = recommender.recommend(ask()).await.unwrap();
    let again = recommender.recommend(ask()).await.unwrap();
    assert_eq!((first.found, again.found, counted.times()), (None, Some(Layer::Near), 1));
    assert_eq!(again.items, first.items, "reasons included");
    let others = [
        Request::for_user("bob"),
        ask().count(3),
        ask().exclude(["item1"]),
        ask().explain(false),
        ask().seed(7),
        ask().anew(),
        ask().why_not(["item9"]),
        ask().filter("price < 20".parse().unwrap()),
    ];
    for (n, request) in (2..).zip(others) {
        assert_eq!(found(&recommender, request.clone()).await, None, "{request:?}");
        assert_eq!(counted.times(), n);
    }
    recommender.ingest(vec![event(1, "item17")]).await.unwrap();
    let felt = recommender.recommend(ask()).await.unwrap();
    assert_eq!((felt.found, felt.items[0].key.as_str()), (None, "item17"));
    assert_eq!(found(&recommender, ask()).await, Some(Layer::Near));
    recommender.swap(Snapshot { version: "next".into(), ..snapshot(30) });
    assert_eq!(found(&recommender, ask()).await, None);
}

#[tokio::test]
async fn what_is_not_whole_is_not_kept() {
    let clock = clock();
    let faulty = From("faulty", 0, Mood::Faulty);
    let recommender =
        builder(10, &clock).generator(faulty, Quotas::everywhere(5)).pages(pages(&clock)).build().unwrap();
    for _ in 0..2 {
        let page = recommender.recommend(Request::for_user("ann")).await.unwrap();
        assert!(page.is_degraded() && page.found.is_none());
    }
    let wrong = Request::for_user("ann").count(0);
    assert!(recommender.recommend(wrong).await.is_err(), "nor is what is refused");
}

#[tokio::test]
async fn a_page_is_found_by_other_processes_whose_items_have_other_numbers() {
    let clock = clock();
    let shared: Arc<dyn Cache> = Arc::new(MemoryCache::new(1 << 20, Arc::new(clock.clone())));
    let process = |snapshot: Snapshot, pipeline: &str| {
        let pages = pages(&clock).before(Arc::clone(&shared), Duration::from_secs(1), pipeline);
        let builder = Recommender::builder(snapshot).clock(Arc::new(clock.clone())).pages(pages);
        let builder = builder.generator(From("a", 3, Mood::Fine), Quotas::everywhere(20)).ranker(AsMerged);
        builder.build().unwrap()
    };
    let mut reversed = Catalog::builder();
    for id in (0..30).rev() {
        reversed.push(ItemRecord::new(format!("item{id}"))).unwrap();
    }
    let reversed = Snapshot { catalog: reversed.build(), ..snapshot(30) };
    let made = process(snapshot(30), "one").recommend(Request::for_user("ann")).await.unwrap();
    let [there, fewer] = [reversed, snapshot(4)].map(|snapshot| process(snapshot, "one"));
    // It is stored while nobody waits.
    tokio::task::yield_now().await;
    let page = there.recommend(Request::for_user("ann")).await.unwrap();
    assert_eq!(page.found, Some(Layer::Far));
    let keys = |page: &Page| page.items.iter().map(|item| item.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&page), keys(&made));
    assert_eq!(page.items[0].why, made.items[0].why);
    assert!(page.items.iter().all(|item| there.snapshot().catalog.key(item.id) == &item.key));
    assert_eq!(found(&fewer, Request::for_user("ann")).await, None, "it has not all of these items");
    assert_eq!(found(&process(snapshot(30), "other"), Request::for_user("ann")).await, None);
}

/// A store of features that can be switched off.
#[derive(Debug, Default, Clone)]
struct Switched {
    is_down: Arc<std::sync::atomic::AtomicBool>,
    known: Arc<Mutex<UserFeatures>>,
}

#[async_trait]
impl FeatureSource for Switched {
    fn name(&self) -> &'static str {
        "store"
    }

    async fn user(&self, user: &UserKey, _: &Budget) -> Result<Option<Arc<UserFeatures>>, Fault> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(Fault::new("store", FaultKind::Unavailable));
        }
        Ok((user.as_str() == "ann").then(|| Arc::new(self.known.lock().clone())))
    }
}

#[tokio::test]
async fn when_features_cannot_be_had_the_last_known_are_used_and_the_page_says_so() {
    let store = Switched::default();
    *store.known.lock() = UserFeatures::of([&event(1, "item17")]);
    let recommender = builder(30, &clock())
        .generator(Counted::default(), Quotas::everywhere(20))
        .ranker(AsMerged)
        .features(store.clone())
        .build()
        .unwrap();
    let first = async |user: &str| {
        let page = recommender.recommend(Request::for_user(user)).await.unwrap();
        let degraded = page.is_degraded();
        assert_eq!(components(&page), vec![("store", FaultKind::Unavailable); usize::from(degraded)]);
        (page.items[0].key.to_string(), degraded)
    };
    assert_eq!(first("ann").await, ("item17".to_owned(), false));
    store.is_down.store(true, Ordering::Relaxed);
    assert_eq!(first("ann").await, ("item17".to_owned(), true));
    assert_eq!(first("bob").await, ("item0".to_owned(), true), "of whom nothing was known");
    // What this process takes in counts, although the store does not know of it.
    recommender.ingest(vec![event(2, "item18"), event(1, "item17")]).await.unwrap();
    assert_eq!(first("ann").await, ("item18".to_owned(), true));
    store.is_down.store(false, Ordering::Relaxed);
    assert_eq!(first("ann").await, ("item18".to_owned(), false));
}
