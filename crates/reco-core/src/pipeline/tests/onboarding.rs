//! Pages for users who are new, and what they are asked.

use super::*;
use crate::onboarding::{Answers, OnboardingConfig};
use crate::retrieve::popular::Popularity;
use std::collections::BTreeSet;

const CATEGORIES: u32 = 14;
const ITEMS: u32 = 20 * CATEGORIES;
const NOW: i64 = 1_700_000_000;

/// Items of fourteen categories in turn, each a little less popular than the one before, of seven brands and many prices.
fn shop() -> Snapshot {
    let mut builder = Catalog::builder();
    for id in 0..ITEMS {
        let record = ItemRecord {
            category: Some(format!("category{}", id % CATEGORIES)),
            brand: Some(format!("brand{}", id / 2 % 7)),
            price: Some((id * 31 % 97) as f32),
            ..ItemRecord::new(format!("item{id}"))
        };
        builder.push(record).unwrap();
    }
    let mut snapshot = Snapshot { catalog: builder.build(), ..Snapshot::default() };
    let users: Vec<u32> = (0..ITEMS).map(|id| 2 * ITEMS - id).collect();
    let of_each = |id: ItemId| Some(id.raw() % CATEGORIES);
    snapshot
        .models
        .insert(Popularity::NAME, Popularity::new(users.clone(), &users, CATEGORIES as usize, of_each));
    snapshot
}

fn recommender(onboarding: Option<OnboardingConfig>) -> Recommender {
    let clock = ManualClock::starting_at(Timestamp::from_secs(NOW));
    let config = PipelineConfig { onboarding, ..PipelineConfig::default() };
    config.builder(shop()).unwrap().clock(Arc::new(clock)).pool(1, 16).build().unwrap()
}

async fn answer(recommender: &Recommender, categories: &[&str], days_ago: i64) {
    let categories = categories.iter().map(|&name| name.to_owned()).collect();
    let answers = Answers { user: "zoe".into(), categories, ratings: Vec::new() };
    let mut number = u128::from(days_ago.unsigned_abs()) << 32;
    let mut id = || {
        number += 1;
        EventId(number)
    };
    let at = Timestamp::from_secs(NOW - days_ago * 86_400);
    let events = recommender.answered(&answers, &mut id, at).unwrap();
    assert_eq!(recommender.ingest(events).await.unwrap().accepted, answers.categories.len());
}

async fn bought(recommender: &Recommender, n: u32) {
    let event = |number: u32| Event {
        id: EventId(1_000_000 + u128::from(number)),
        user: "zoe".into(),
        item: format!("item{}", number * 3).as_str().into(),
        action: Action::Purchase,
        value: None,
        at: Timestamp::from_secs(NOW - 60),
        details: None,
    };
    recommender.ingest((0..n).map(event).collect()).await.unwrap();
}

fn page(recommender: &Recommender, seed: u64) -> Vec<u32> {
    ids(&recommender.recommend_now(Request::for_user("zoe").seed(seed)).unwrap())
}

/// Items that somebody's page has of these categories.
fn of(page: &[u32], categories: &[u32]) -> usize {
    page.iter().filter(|&&id| categories.contains(&(id % CATEGORIES))).count()
}

#[tokio::test]
async fn an_exploring_page_is_three_parts_popular_and_seven_parts_diverse() {
    let recommender = recommender(Some(OnboardingConfig::exploring()));
    answer(&recommender, &["category3", "category5", "category8"], 0).await;
    let first = page(&recommender, 1);
    let head = 0..ITEMS / 20;
    assert_eq!(of(&first, &[3, 5, 8]), 3, "{first:?}");
    let explored: Vec<u32> =
        first.iter().copied().filter(|id| ![3, 5, 8].contains(&(id % CATEGORIES))).collect();
    assert!(explored.iter().all(|id| !head.contains(id)), "nothing of the head: {explored:?}");
    let distinct = |of: &dyn Fn(u32) -> u32| first.iter().map(|&id| of(id)).collect::<BTreeSet<u32>>().len();
    assert_eq!(distinct(&|id| id % CATEGORIES), 10);
    assert!(distinct(&|id| id / 2 % 7) >= 4 && distinct(&|id| id * 31 % 97 / 33) == 3, "{first:?}");
    assert_eq!(page(&recommender, 1), first, "the same request has the same answer");
    assert_ne!(page(&recommender, 2), first);
}

#[tokio::test]
async fn after_a_week_less_is_explored_and_after_ten_interactions_nothing() {
    let exploring = recommender(Some(OnboardingConfig::exploring()));
    let explored = |recommender: &Recommender| {
        let page = recommender.recommend_now(Request::for_user("zoe")).unwrap();
        let by = |item: &crate::page::PageItem| {
            item.why.as_ref().is_some_and(|why| {
                why.sources.iter().any(|source| &*source.source == OnboardingConfig::EXPLORE)
            })
        };
        page.items.iter().filter(|item| by(item)).count()
    };
    answer(&exploring, &["category3"], 6).await;
    assert_eq!(explored(&exploring), 7);
    let later = recommender(Some(OnboardingConfig::exploring()));
    answer(&later, &["category3"], 8).await;
    // One of the usual items may be among those that would explore, too.
    assert!((3..=4).contains(&explored(&later)), "{}", explored(&later));
    let usual = recommender(None);
    for recommender in [&exploring, &usual] {
        bought(recommender, 9).await;
    }
    assert_ne!(page(&exploring, 1), page(&usual, 1));
    for recommender in [&exploring, &usual] {
        bought(recommender, 10).await;
    }
    assert_eq!(page(&exploring, 1), page(&usual, 1));
}

#[tokio::test]
async fn usually_only_what_was_chosen_changes_a_page() {
    let (recommender, usual) = (recommender(Some(OnboardingConfig::default())), recommender(None));
    assert_eq!(page(&recommender, 1), page(&usual, 1));
    answer(&recommender, &["category3", "category5"], 2).await;
    answer(&recommender, &["category12"], 1).await;
    let changed = page(&recommender, 1);
    assert_eq!(
        (of(&changed, &[12]), of(&page(&usual, 1), &[12])),
        (3, 0),
        "the latest answers count: {changed:?}"
    );
    assert_eq!(page(&recommender, 2), changed, "nothing is drawn");
}

#[test]
fn samples_are_spread_and_examples_stand_for_their_categories() {
    let recommender = recommender(None);
    let survey = recommender.survey(&recommender.snapshot(), 12);
    assert_eq!(survey.categories.len(), CATEGORIES as usize);
    let is_of =
        |choice: &crate::onboarding::Choice| choice.category == format!("category{}", choice.example.raw());
    assert!(survey.categories.iter().all(is_of), "{:?}", survey.categories);
    let categories: BTreeSet<u32> = survey.samples.iter().map(|id| id.raw() % CATEGORIES).collect();
    assert_eq!((survey.samples.len(), categories.len()), (12, 12));
    assert_eq!(recommender.survey(&recommender.snapshot(), 12), survey);
}

#[test]
fn shares_that_make_no_sense_are_named() {
    let config = OnboardingConfig {
        until: 0,
        popular: 0.5,
        explore: 0.7,
        explore_later: -1.0,
        head: 1.0,
        ..OnboardingConfig::default()
    };
    assert_eq!(config.problems().len(), 4, "{:#?}", config.problems());
}
