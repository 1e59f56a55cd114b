//! What sources think of a user's candidates, as numbers that can be weighed.

use super::cases::Case;
use super::models::TrainData;
use crate::fit::blend::Way;
use reco_core::candidate::top_k;
use reco_core::id::ItemId;
use reco_core::rank::{Opinion, Spread};

/// Numbers per source and candidate: the sides of an [`Opinion`], and the score in standard deviations again where
/// the user has many items and where the item has many users, for some sources are to be trusted more there, others
/// less.
pub(super) const VIEWS: usize = Opinion::SIDES + 2;

/// Which numbers the weights of so many sources may rest on: the plain sides alone, or all. All need many users to
/// learn from. Every source has an opinion on every candidate here, so that none ever speaks alone.
pub(super) fn ways(n_sources: usize) -> [Way; 2] {
    let all = 0..n_sources * VIEWS;
    let plain = all.clone().filter(|feature| feature % VIEWS < Opinion::PLAIN).collect();
    [plain, all.collect()].map(|features| Way { features, monotone: false })
}

/// Best items of every source that the weights learn to order.
const DEPTH: usize = 50;

/// What was not ranked.
const UNRANKED: (u32, f32) = (u32::MAX, f32::NAN);

/// What one source thinks of all items.
pub(super) struct Ranking {
    /// Per item of the catalogue its rank and score.
    of: Vec<(u32, f32)>,
    n_ranked: u32,
    best: Vec<ItemId>,
}

impl Ranking {
    /// Of the items to be ranked for a case, from scores of all items.
    pub(super) fn new(case: &Case, scores: &[f32]) -> Self {
        let scored = |id: ItemId| Some((*scores.get(id.index())?, id)).filter(|(score, _)| score.is_finite());
        let mut rows: Vec<(f32, ItemId)> = if let Some(among) = &case.among {
            among.iter().filter_map(|&id| scored(id)).collect()
        } else {
            let ids = (0..scores.len() as u32).map(ItemId::new);
            ids.filter(|&id| !case.is_masked(id)).filter_map(scored).collect()
        };
        top_k(&mut rows, usize::MAX);
        let mut of = vec![UNRANKED; scores.len()];
        for (rank, &(score, id)) in (0u32..).zip(&rows) {
            of[id.index()] = (rank, score);
        }
        Self { of, n_ranked: rows.len() as u32, best: rows.iter().take(DEPTH).map(|row| row.1).collect() }
    }

    /// The best items, the best first.
    pub(super) fn best(&self) -> &[ItemId] {
        &self.best
    }

    /// Appends [`VIEWS`] numbers to the row of every candidate.
    fn write(&self, candidates: &[ItemId], scale: &Scale<'_>, views: &mut [Vec<f32>]) {
        let spread = Spread::of(candidates.iter().map(|id| self.of[id.index()].1), self.n_ranked);
        for (row, id) in views.iter_mut().zip(candidates) {
            let (rank, score) = self.of[id.index()];
            let opinion =
                if score.is_finite() { Opinion::new(rank, score, &spread) } else { Opinion::default() };
            row.extend(opinion.0);
            let standard = opinion.standard();
            row.extend(scale.of(*id).map(|scale| standard * scale));
        }
    }
}

/// All that the sources think of the candidates: one row each, source after source.
pub(super) fn views(rankings: &[Ranking], candidates: &[ItemId], scale: &Scale<'_>) -> Vec<Vec<f32>> {
    let mut views = vec![Vec::with_capacity(rankings.len() * VIEWS); candidates.len()];
    rankings.iter().for_each(|ranking| ranking.write(candidates, scale, &mut views));
    views
}

/// The mean logarithms of how many items users have, over the users, and of how many users items, over the items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Averages {
    length: f32,
    popularity: f32,
}

impl Averages {
    pub(super) fn of(train: &TrainData<'_>) -> Self {
        let lengths = (0..train.matrix.n_rows()).map(|user| train.matrix.row(user).0.len() as f32);
        Self { length: mean_ln_1p(lengths), popularity: mean_ln_1p(train.popularity.iter().copied()) }
    }
}

fn mean_ln_1p(counts: impl Iterator<Item = f32>) -> f32 {
    let (mut sum, mut n) = (0.0, 0u32);
    for count in counts.filter(|count| *count > 0.0) {
        (sum, n) = (sum + f64::from(count.ln_1p()), n + 1);
    }
    (sum / f64::from(n.max(1))) as f32
}

/// How far a user's number of items and the items' numbers of users are from the average.
pub(super) struct Scale<'a> {
    length: f32,
    averages: Averages,
    popularity: &'a [f32],
}

impl<'a> Scale<'a> {
    pub(super) fn new(train: &'a TrainData<'_>, averages: Averages, case: &Case) -> Self {
        let n_items = train.matrix.row(case.user as usize).0.len();
        let length = (n_items as f32).ln_1p() - averages.length;
        Self { length, averages, popularity: &train.popularity }
    }

    fn of(&self, item: ItemId) -> [f32; 2] {
        let n_users = self.popularity.get(item.index()).copied().unwrap_or_default();
        [self.length, n_users.ln_1p() - self.averages.popularity]
    }
}
