//! Scores of blocks of users and items as matrix products, and the best of them.

use super::BatchOptions;
use crate::progress::Progress;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use reco_core::id::{ItemId, UserKey};
use reco_core::linalg::Top;
use reco_core::retrieve::als::AlsModel;
use reco_core::snapshot::Snapshot;

/// Users multiplied at a time.
const USERS: usize = 128;
/// Items multiplied at a time: with as many users their scores stay in the cache until they are looked through.
const ITEMS: usize = 1_024;

/// The best items of a user, best first.
pub(super) type List = Vec<(f32, ItemId)>;

/// Everything that lists are made from.
pub(super) struct Scoring<'a> {
    snapshot: &'a Snapshot,
    model: &'a AlsModel,
    options: &'a BatchOptions,
    /// Whether an item has factors and a place in the catalogue.
    is_known: Vec<bool>,
}

/// A user to score.
struct Wanted {
    /// Where in the part.
    place: usize,
    row: usize,
    top: Top,
    /// Items that stay out, ascending, from the block at hand on.
    masked: std::iter::Peekable<std::vec::IntoIter<u32>>,
}

impl<'a> Scoring<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, model: &'a AlsModel, options: &'a BatchOptions) -> Self {
        let known = model.items.rows().take(snapshot.catalog.len());
        let is_known = known.map(|factors| factors.iter().any(|&factor| factor != 0.0)).collect();
        Self { snapshot, model, options, is_known }
    }

    /// The list of every user, in their order.
    pub(super) fn lists(&self, users: &[UserKey], progress: &dyn Progress) -> Vec<List> {
        let mut lists = vec![List::new(); users.len()];
        let mut scores = vec![0.0; USERS * ITEMS];
        for (number, block) in users.chunks(USERS).enumerate() {
            let mut wanted: Vec<Wanted> = (block.iter().zip(number * USERS..))
                .filter_map(|(user, place)| self.wanted(user, place))
                .collect();
            if !wanted.is_empty() {
                self.score(&mut wanted, &mut scores);
            }
            wanted.into_iter().for_each(|user| lists[user.place] = user.top.into_sorted());
            progress.advance(block.len() as u64);
        }
        lists
    }

    /// A user whom the model says something about.
    fn wanted(&self, user: &UserKey, place: usize) -> Option<Wanted> {
        let row = self.snapshot.users.row(user.as_str())?;
        let factors = (row as usize) < self.model.users.n_rows();
        if !factors || self.model.users.row(row as usize).iter().all(|&factor| factor == 0.0) {
            return None;
        }
        let now = self.snapshot.data_until;
        let stays_out = self.snapshot.histories.of(row).iter().filter(|touch| {
            touch.rejected || touch.consumed.is_some_and(|at| self.options.seen.drops(at, now))
        });
        let mut masked: Vec<u32> = stays_out.map(|touch| touch.item.raw()).collect();
        masked.sort_unstable();
        let (row, top) = (row as usize, Top::new(self.options.count));
        Some(Wanted { place, row, top, masked: masked.into_iter().peekable() })
    }

    fn score(&self, users: &mut [Wanted], scores: &mut [f32]) {
        let d = self.model.n_factors();
        let factors: Vec<f32> =
            users.iter().flat_map(|user| self.model.users.row(user.row)).copied().collect();
        let factors = MatRef::from_column_major_slice(&factors, d, users.len());
        let items = &self.model.items.as_slice()[..self.is_known.len() * d];
        for (items, first) in items.chunks(ITEMS * d).zip((0u32..).step_by(ITEMS)) {
            let n_items = items.len() / d;
            let scores = &mut scores[..n_items * users.len()];
            let product = MatMut::from_column_major_slice_mut(&mut *scores, n_items, users.len());
            let items = MatRef::from_row_major_slice(items, n_items, d);
            // Parts are scored side by side, so each product is made by one thread.
            matmul(product, Accum::Replace, items, factors, 1.0, Par::Seq);
            for (user, scores) in users.iter_mut().zip(scores.chunks_exact_mut(n_items)) {
                while let Some(item) = user.masked.next_if(|&item| ((item - first) as usize) < n_items) {
                    scores[(item - first) as usize] = f32::NEG_INFINITY;
                }
                user.top.offer(scores, first, |id| self.is_known[id.index()]);
            }
        }
    }
}
