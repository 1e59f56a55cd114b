//! What many people take: overall, per category, lately.

use super::{CandidateGenerator, Support};
use crate::candidate::Hits;
use crate::error::{Fault, FaultKind};
use crate::id::ItemId;
use crate::query::Query;
use serde::{Deserialize, Serialize};

/// Items by the number of distinct users who took them within a window before the data's end.
///
/// Users, not events: one household that buys the same milk every day does not make it popular.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Popularity {
    /// Items that somebody ever took, most popular first.
    overall: Vec<ItemId>,
    /// The same per category code of the catalogue.
    by_category: Vec<Vec<ItemId>>,
    /// Distinct users per item.
    users: Vec<u32>,
    /// The largest of `users`.
    most: u32,
}

impl Popularity {
    /// The name under which the snapshot keeps the popularity of the recent window.
    pub const NAME: &'static str = "popular";

    /// Sorts items by their number of distinct users within the window, then by that over all the data, `ever`;
    /// `category` gives each item's code, if any. Both counts are one per item.
    pub fn new(
        users: Vec<u32>,
        ever: &[u32],
        n_categories: usize,
        category: impl Fn(ItemId) -> Option<u32>,
    ) -> Self {
        let counts = |id: ItemId| (users[id.index()], ever[id.index()]);
        let mut overall: Vec<ItemId> = (0..users.len() as u32).map(ItemId::new).collect();
        overall.retain(|&id| counts(id) > (0, 0));
        overall.sort_by(|&a, &b| counts(b).cmp(&counts(a)).then(a.cmp(&b)));
        let mut by_category = vec![Vec::new(); n_categories];
        for &id in &overall {
            if let Some(list) = category(id).and_then(|code| by_category.get_mut(code as usize)) {
                list.push(id);
            }
        }
        let most = users.iter().copied().max().unwrap_or(0);
        Self { overall, by_category, users, most }
    }

    /// Items that somebody ever took, most popular first, of one category or of all.
    pub fn top(&self, category: Option<u32>) -> &[ItemId] {
        match category {
            None => &self.overall,
            Some(code) => self.by_category.get(code as usize).map_or(&[], Vec::as_slice),
        }
    }

    /// The most popular items of several categories in turn.
    pub fn in_turn(&self, categories: &[u32]) -> impl Iterator<Item = ItemId> + use<'_> {
        let lists: Vec<&[ItemId]> = categories.iter().map(|&category| self.top(Some(category))).collect();
        let longest = lists.iter().map(|list| list.len()).max().unwrap_or(0);
        (0..longest).flat_map(move |place| {
            let of_place: Vec<ItemId> = lists.iter().filter_map(|list| list.get(place).copied()).collect();
            of_place
        })
    }

    /// Distinct users of an item within the window.
    pub fn users(&self, item: ItemId) -> u32 {
        self.users.get(item.index()).copied().unwrap_or(0)
    }

    /// Distinct users of an item as a share of those of the most popular one, 0..1.
    pub fn share(&self, item: ItemId) -> f32 {
        self.users(item) as f32 / self.most.max(1) as f32
    }
}

/// Proposes what is popular of late: in the categories that the request is about ([`Query::categories`]), else
/// overall.
#[derive(Clone, Copy, Debug, Default)]
pub struct PopularGenerator;

impl CandidateGenerator for PopularGenerator {
    fn name(&self) -> &'static str {
        Popularity::NAME
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let model = query.snapshot.models.get::<Popularity>(Popularity::NAME);
        let model = model.ok_or_else(|| Fault::new(Popularity::NAME, FaultKind::NotFound))?;
        let mut propose = |items: &mut dyn Iterator<Item = ItemId>| {
            let popular = items.map(|id| (id, model.share(id))).filter(|(_, share)| *share > 0.0);
            popular.take(limit).for_each(|(id, share)| out.push(id, share));
        };
        match &query.categories()[..] {
            [] => propose(&mut model.top(None).iter().copied()),
            categories => propose(&mut model.in_turn(categories)),
        }
        Ok(())
    }

    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        let model = query.snapshot.models.get::<Popularity>(Popularity::NAME);
        let model = model.ok_or_else(|| Fault::new(Popularity::NAME, FaultKind::NotFound))?;
        items.iter().zip(scores).for_each(|(&item, score)| *score = model.share(item));
        Ok(())
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {
        // Popular items rest on everybody, not on one's own.
    }
}
