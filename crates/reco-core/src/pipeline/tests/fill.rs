//! Pages that filters and rules would leave short, and what fills them.

use super::*;
use crate::pipeline::SourceConfig;
use crate::rerank::RerankConfig;
use crate::retrieve::popular::Popularity;
use proptest::prelude::*;

const N_ITEMS: u32 = 3_000;

/// Thirty categories; the one item of `rare` is the least popular of all, and popularity falls with the id.
fn shop() -> Snapshot {
    let mut builder = Catalog::builder();
    for id in 0..N_ITEMS {
        let category = if id + 1 == N_ITEMS { "rare".to_owned() } else { format!("category{}", id % 30) };
        let record = ItemRecord { category: Some(category), ..ItemRecord::new(format!("item{id}")) };
        builder.push(record).unwrap();
    }
    let mut snapshot = Snapshot { catalog: builder.build(), ..Snapshot::default() };
    let labels = snapshot.catalog.category();
    let users: Vec<u32> = (0..N_ITEMS).map(|id| N_ITEMS - id).collect();
    let popularity = Popularity::new(users.clone(), &users, labels.cardinality(), |id| labels.code(id));
    snapshot.models.insert(Popularity::NAME, popularity);
    snapshot
}

/// No source proposes anything; all other parts are the usual ones.
fn sourceless(change: impl FnOnce(&mut PipelineConfig)) -> Recommender {
    let mut config = PipelineConfig { threads: 1, ..PipelineConfig::default() };
    config.sources.clear();
    change(&mut config);
    config.builder(shop()).unwrap().clock(Arc::new(clock())).build().unwrap()
}

fn page(recommender: &Recommender, request: Request) -> Vec<u32> {
    ids(&recommender.recommend_now(request).unwrap())
}

#[test]
fn fillers_come_by_popularity_and_not_by_id() {
    let uncapped = sourceless(|config| config.rerank.per_category = None);
    assert_eq!(page(&uncapped, Request::for_user("ann").count(5)), [0, 1, 2, 3, 4]);
}

/// Which source speaks for each item of a page of five.
fn sources(recommender: &Recommender, request: Request) -> Vec<String> {
    let page = recommender.recommend_now(request.count(5)).unwrap();
    page.items.iter().map(|item| item.why.as_ref().unwrap().sources[0].source.to_string()).collect()
}

#[test]
fn what_no_source_proposed_says_that_it_fills_the_page() {
    assert_eq!(sources(&sourceless(|_| ()), Request::for_user("ann")), ["filler"; 5]);
}

#[test]
fn a_filter_on_a_category_is_answered_by_what_is_popular_there() {
    let popular = sourceless(|config| {
        config.sources.insert("popular".into(), SourceConfig { quota: 1, ..SourceConfig::default() });
    });
    let filter = "category in (\"category29\", \"category28\") and price is missing".parse().unwrap();
    assert_eq!(sources(&popular, Request::for_user("ann").filter(filter)), ["popular"; 5]);
}

#[test]
fn beside_an_item_stands_nothing_of_another_category() {
    let request = Request::for_user("ann").surface(Surface::Similar("item15".into())).count(300);
    let page = sourceless(|_| ()).recommend_now(request).unwrap();
    assert!(page.items.len() > 5 && page.items.iter().all(|item| item.id.raw() % 30 == 15));
    let remark = format!(
        "{} of the 300 items asked for: `surface` took 1 out, only items of the same category fill a page of \
         similar ones",
        page.items.len()
    );
    assert_eq!(page.remarks, [remark]);
}

#[test]
fn a_filter_finds_the_one_item_that_matches() {
    let filter = "category = \"rare\"".parse().unwrap();
    assert_eq!(page(&sourceless(|_| ()), Request::for_user("ann").filter(filter)), [N_ITEMS - 1]);
}

#[test]
fn a_filter_lets_sources_look_further_than_their_quota() {
    let far: crate::predicate::Predicate = "category = \"category15\"".parse().unwrap();
    let recommender = Recommender::builder(shop())
        .clock(Arc::new(clock()))
        .generator(From("a", 0, Mood::Fine), Quotas::everywhere(10))
        .filter(crate::filter::Requested, OnFault::Fail)
        .build()
        .unwrap();
    let page = recommender.recommend_now(Request::for_user("ann").count(1).filter(far)).unwrap();
    assert_eq!((ids(&page), page.rung), (vec![15], Rung::CandidateScores));
    let why = page.items[0].why.as_ref().unwrap();
    assert_eq!(&*why.sources[0].source, "a");
}

#[tokio::test]
async fn even_the_static_page_shows_only_what_may_be_shown() {
    let only = Some("category != \"category0\"".parse().unwrap());
    let config = PipelineConfig { only, ..PipelineConfig::default() };
    let (entered, has_entered) = mpsc::sync_channel(1);
    let (let_go, release) = mpsc::channel();
    let stuck = Stuck { entered, release: Mutex::new(release) };
    let clock = clock();
    let builder = config.builder(shop()).unwrap().pool(1, 16).clock(Arc::new(clock.clone()));
    let recommender = builder.generator(stuck, Quotas::everywhere(5)).build().unwrap();
    let answer = tokio::spawn({
        let recommender = recommender.clone();
        async move { recommender.recommend(Request::for_user("ann").count(3)).await }
    });
    tokio::task::spawn_blocking(move || has_entered.recv()).await.unwrap().unwrap();
    clock.advance(Duration::from_millis(60));
    let page = answer.await.unwrap().unwrap();
    let_go.send(()).unwrap();
    assert_eq!((ids(&page), page.rung), (vec![1, 2, 3], Rung::Static));
}

/// A request that comes when there is no time left for it, however many threads are free.
#[test]
fn a_page_that_comes_too_late_for_anything_is_the_static_one() {
    let clock = clock();
    let slow = |config: &PipelineConfig| {
        let builder = config.builder(shop()).unwrap().clock(Arc::new(clock.clone()));
        builder.generator(Waster(clock.clone()), Quotas::everywhere(5)).build().unwrap()
    };
    let mut config = PipelineConfig { threads: 1, ..PipelineConfig::default() };
    config.sources.clear();
    config.rerank = RerankConfig { per_category: Some(1), caps_yield: false, ..RerankConfig::default() };
    config.only = Some("category in (\"category0\", \"category1\")".parse().unwrap());
    let page = slow(&config).recommend_now(Request::for_user("ann").count(5)).unwrap();
    assert_eq!((ids(&page), page.rung), (vec![0, 1], Rung::Static));
    config.rerank.caps_yield = true;
    assert_eq!(self::page(&slow(&config), Request::for_user("ann").count(5)).len(), 5);
}

/// Takes all the time there is and finds nothing.
#[derive(Debug)]
struct Waster(ManualClock);

impl CandidateGenerator for Waster {
    fn name(&self) -> &'static str {
        "waster"
    }

    fn generate(&self, _: &Query, _: usize, _: &mut Hits) -> Result<(), Fault> {
        self.0.advance(Duration::from_secs(1));
        Ok(())
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_page_is_full_and_caps_give_way_no_further_than_they_must(
        count in 1usize..120,
        per_category in 1usize..4,
        caps_yield: bool,
    ) {
        let recommender = sourceless(|config| {
            config.rerank = RerankConfig { per_category: Some(per_category), caps_yield, ..RerankConfig::default() };
        });
        let shown = page(&recommender, Request::for_user("ann").count(count));
        // Thirty categories and one of a single item.
        let strict = 30 * per_category + 1;
        prop_assert_eq!(shown.len(), if caps_yield { count } else { count.min(strict) });
        let most = if caps_yield { per_category.max((count - 1).div_ceil(30)) } else { per_category };
        let of_category = |category| shown.iter().filter(|&&id| id % 30 == category && id + 1 < N_ITEMS).count();
        prop_assert!((0..30).all(|category| of_category(category) <= most));
    }
}
