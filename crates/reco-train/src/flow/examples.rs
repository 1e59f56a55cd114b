//! Pages of a few users, to look at.

use super::FlowError;
use reco_core::catalog::Catalog;
use reco_core::error::RecommendError;
use reco_core::explain::reasons;
use reco_core::id::ItemId;
use reco_core::page::PageItem;
use reco_core::pipeline::PipelineConfig;
use reco_core::request::{Context, Request};
use reco_core::snapshot::Snapshot;
use reco_core::time::ManualClock;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What one user gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExamplePage {
    /// Who; empty for somebody whom nothing is known of.
    pub user: String,
    /// How many items the user had.
    pub had: usize,
    /// The latest of these, the last one first.
    pub latest: Vec<String>,
    /// The page, best first.
    pub items: Vec<ExampleItem>,
}

/// A place on an example page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExampleItem {
    /// The item's key.
    pub item: String,
    /// Its title.
    pub title: String,
    /// Its category; empty without one.
    pub category: String,
    /// Its score.
    pub score: f32,
    /// Why it is there.
    pub reasons: Vec<String>,
}

/// Items of a page.
const COUNT: usize = 8;
/// Items of a history that are shown.
const LATEST: usize = 5;

/// The pages of users with little, usual and much history, and of a stranger, as of the end of the data.
pub(super) fn pages(
    snapshot: Snapshot,
    pipeline: &PipelineConfig,
) -> Result<(Arc<Snapshot>, Vec<ExamplePage>), FlowError> {
    let asked_at = snapshot.data_until;
    let clock = Arc::new(ManualClock::starting_at(asked_at));
    let recommender = pipeline.builder(snapshot)?.pool(1, 1).clock(clock).build()?;
    let snapshot = recommender.snapshot();
    let users = some_users(&snapshot).into_iter().map(Some).chain([None]);
    let page = |user: Option<u32>| -> Result<ExamplePage, RecommendError> {
        let key = user.map(|user| snapshot.users.keys()[user as usize].as_str()).unwrap_or_default();
        let context = Context { time: Some(asked_at), ..Context::default() };
        let page = recommender.recommend_now(Request::for_user(key).count(COUNT).context(context))?;
        let touches = user.map(|user| snapshot.histories.of(user)).unwrap_or_default();
        let catalog = &snapshot.catalog;
        Ok(ExamplePage {
            user: key.to_owned(),
            had: touches.len(),
            latest: touches.iter().take(LATEST).map(|touch| title(catalog, touch.item)).collect(),
            items: page.items.iter().map(|item| shown(catalog, item)).collect(),
        })
    };
    let pages: Result<Vec<ExamplePage>, RecommendError> = users.map(page).collect();
    let pages = pages?;
    Ok((snapshot, pages))
}

/// Users at a tenth, the middle and nine tenths of all by the length of their history; ties by row.
fn some_users(snapshot: &Snapshot) -> Vec<u32> {
    let had = |user: &u32| snapshot.histories.of(*user).len();
    let mut users: Vec<u32> = (0..snapshot.users.len() as u32).filter(|user| had(user) > 0).collect();
    users.sort_by_key(|user| (had(user), *user));
    let mut some: Vec<u32> = [0.1, 0.5, 0.9]
        .iter()
        .filter_map(|share| users.get((users.len() as f64 * share) as usize))
        .copied()
        .collect();
    some.dedup();
    some
}

fn shown(catalog: &Catalog, item: &PageItem) -> ExampleItem {
    ExampleItem {
        item: item.key.as_str().to_owned(),
        title: title(catalog, item.id),
        category: catalog.category().get(item.id).unwrap_or_default().to_owned(),
        score: item.score,
        reasons: item.why.as_ref().map(|why| reasons(why, catalog)).unwrap_or_default(),
    }
}

/// The title; the key for an item without one.
fn title(catalog: &Catalog, item: ItemId) -> String {
    let title = catalog.title(item);
    if title.is_empty() { catalog.key(item).as_str().to_owned() } else { title.to_owned() }
}
