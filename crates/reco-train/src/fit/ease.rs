//! Fitting EASE: every item's weights for every other one, in closed form.

use super::{FitError, bad};
use crate::progress::Progress;
use faer::linalg::solvers::DenseSolveCore;
use faer::{MatMut, Side};
use rayon::prelude::*;
use reco_core::candidate::top_k;
use reco_core::id::ItemId;
use reco_core::interactions::Csr;
use reco_core::linalg::{NotPositiveDefinite, Spd};
use reco_core::retrieve::neighbors::Neighbors;
use serde::{Deserialize, Serialize};

/// Parameters of EASE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EaseParams {
    /// λ, the weight of the squared weights, above 0: more where users are few.
    pub regularization: f32,
    /// Weights kept per item, the largest by amount, 1 to 100,000.
    pub neighbors: usize,
    /// Up to this many items all weights are solved for at once, in 12 bytes per pair of items while
    /// fitting; beyond, every item is explained by its `candidates`. At most 50,000.
    pub dense_up_to: usize,
    /// The items with the highest cosine that may explain an item of a large catalogue, 1 to 4,096.
    pub candidates: usize,
}

impl Default for EaseParams {
    fn default() -> Self {
        Self { regularization: 500.0, neighbors: 1_000, dense_up_to: 20_000, candidates: 256 }
    }
}

impl EaseParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(self.regularization.is_finite() && self.regularization > 0.0) {
            problems.push(bad("regularization", self.regularization, "a finite number above 0"));
        }
        if !(1..=100_000).contains(&self.neighbors) {
            problems.push(bad("neighbors", self.neighbors, "1 to 100000"));
        }
        if self.dense_up_to > 50_000 {
            problems.push(bad("dense_up_to", self.dense_up_to, "at most 50000"));
        }
        if !(1..=4_096).contains(&self.candidates) {
            problems.push(bad("candidates", self.candidates, "1 to 4096"));
        }
        problems
    }
}

/// For every item i its largest weights B_ij, those by which having i speaks for (or, below 0, against) j.
///
/// B minimises ||X - X B||² + λ ||B||² with a diagonal of zeros, X being who had what (Steck,
/// "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, equation 8). Each column of it is a
/// ridge regression on the other items, which is how a large catalogue is solved: an item is regressed on
/// its nearest items alone (after fsSLIM; Ning & Karypis, ICDM 2011, section 4.4). With all items as
/// candidates the two are equal.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Empty`] without interactions,
/// [`FitError::Diverged`] when rounding leaves no solution.
pub fn fit(interactions: &Csr, params: &EaseParams, progress: &dyn Progress) -> Result<Neighbors, FitError> {
    FitError::check("ease", params.problems())?;
    if interactions.n_cells() == 0 {
        return Err(FitError::Empty { model: "ease" });
    }
    let n_items = interactions.n_columns();
    let is_dense = n_items <= params.dense_up_to;
    progress.begin("ease", if is_dense { 2 } else { n_items as u64 });
    let common = Common { by_user: interactions, by_item: interactions.transpose() };
    let neighbors =
        if is_dense { dense(&common, params, progress) } else { sparse(&common, params, progress) };
    let neighbors = neighbors.map_err(|cause| FitError::Diverged { model: "ease", cause })?;
    let how = if is_dense { "all at once" } else { "each on its nearest" };
    progress.end(&format!("{n_items} items, {how}"));
    Ok(neighbors)
}

/// Users that items have in common.
struct Common<'a> {
    by_user: &'a Csr,
    by_item: Csr,
}

impl Common<'_> {
    /// Adds to `counts` the users that every item shares with `item`.
    fn count(&self, item: usize, counts: &mut [f32]) {
        for &user in self.by_item.row(item).0 {
            for &other in self.by_user.row(user as usize).0 {
                counts[other as usize] += 1.0;
            }
        }
    }

    fn n_users(&self, item: u32) -> f32 {
        self.by_item.row(item as usize).0.len() as f32
    }
}

fn dense(
    common: &Common<'_>,
    params: &EaseParams,
    progress: &dyn Progress,
) -> Result<Neighbors, NotPositiveDefinite> {
    let n = common.by_user.n_columns();
    let mut gram = vec![0.0f32; n * n];
    gram.par_chunks_exact_mut(n).enumerate().for_each(|(item, row)| {
        common.count(item, row);
        row[item] += params.regularization;
    });
    progress.advance(1);
    // The matrix is symmetric, so rows may stand for columns.
    let factor = MatMut::from_column_major_slice_mut(&mut gram, n, n).llt(Side::Lower);
    let factor = factor.map_err(|faer::linalg::solvers::LltError::NonPositivePivot { index }| {
        NotPositiveDefinite { row: index }
    })?;
    drop(gram);
    let inverse = factor.inverse();
    drop(factor);
    progress.advance(1);
    let scale: Vec<f32> = (0..n).map(|item| -1.0 / inverse[(item, item)]).collect();
    let lists = (0..n).into_par_iter().map(|from| {
        let weights = (0..n).filter(|&to| to != from).map(|to| (to as u32, inverse[(to, from)] * scale[to]));
        largest(weights, params.neighbors)
    });
    Ok(Neighbors::new(lists.collect::<Vec<_>>()))
}

/// Solves for one column after the other and turns the columns into rows.
fn sparse(
    common: &Common<'_>,
    params: &EaseParams,
    progress: &dyn Progress,
) -> Result<Neighbors, NotPositiveDefinite> {
    let n = common.by_user.n_columns();
    let columns: Result<Vec<Vec<(u32, f32)>>, NotPositiveDefinite> = (0..n)
        .into_par_iter()
        .map_init(
            || (vec![0.0f32; n], Together::new(common.by_user.n_rows())),
            |(counts, together), item| {
                let explained_by = nearest(item, common, params.candidates, counts);
                progress.advance(1);
                regress(item, explained_by, common, params.regularization, together)
            },
        )
        .collect();
    let mut rows: Vec<Vec<(u32, f32)>> = vec![Vec::new(); n];
    for (to, column) in (0u32..).zip(columns?) {
        column.into_iter().for_each(|(from, weight)| rows[from as usize].push((to, weight)));
    }
    Ok(Neighbors::new(rows.into_iter().map(|row| largest(row.into_iter(), params.neighbors))))
}

/// The other items with the highest cosine to `item`, ascending; `counts` is all zero before and after.
fn nearest(item: usize, common: &Common<'_>, limit: usize, counts: &mut [f32]) -> Vec<u32> {
    common.count(item, counts);
    let n_users = |item: usize| common.n_users(item as u32);
    let cosine = |other: usize, shared: f32| shared / (n_users(item) * n_users(other)).sqrt();
    let shared = counts.iter().enumerate().filter(|&(other, &shared)| shared > 0.0 && other != item);
    let mut rows: Vec<(f32, ItemId)> =
        shared.map(|(other, &shared)| (cosine(other, shared), ItemId::new(other as u32))).collect();
    top_k(&mut rows, limit);
    counts.fill(0.0);
    let mut nearest: Vec<u32> = rows.into_iter().map(|(_, other)| other.raw()).collect();
    nearest.sort_unstable();
    nearest
}

/// The weights of the items that explain `item`: (G + λ I)^-1 g, G and g counting their common users.
fn regress(
    item: usize,
    explained_by: Vec<u32>,
    common: &Common<'_>,
    regularization: f32,
    together: &mut Together,
) -> Result<Vec<(u32, f32)>, NotPositiveDefinite> {
    let n = explained_by.len();
    let mut items = explained_by;
    items.push(item as u32);
    let counts = together.count(&items, &common.by_item);
    let mut gram = Vec::with_capacity(n * n);
    counts.chunks_exact(n + 1).take(n).for_each(|row| gram.extend_from_slice(&row[..n]));
    (0..n).for_each(|i| gram[i * n + i] += regularization);
    let mut weights: Vec<f32> = counts.chunks_exact(n + 1).take(n).map(|row| row[n]).collect();
    Spd::factor(n, gram)?.solve(&mut weights);
    items.truncate(n);
    Ok(items.into_iter().zip(weights).collect())
}

/// Counts the users that each two of a few items share, in time that grows with those users and not with the
/// lengths of all pairs of lists.
struct Together {
    /// Per user how many of the items they had, then where in `places` theirs end; zero between calls.
    of_user: Vec<u32>,
    /// Users who had any of the items.
    users: Vec<u32>,
    /// The places of every user's items among those asked for, one user after the other.
    places: Vec<u32>,
    counts: Vec<f32>,
}

impl Together {
    fn new(n_users: usize) -> Self {
        Self { of_user: vec![0; n_users], users: Vec::new(), places: Vec::new(), counts: Vec::new() }
    }

    /// The counts as the upper triangle of a square over `items`, row-major.
    fn count(&mut self, items: &[u32], by_item: &Csr) -> &[f32] {
        let users_of = |item: u32| by_item.row(item as usize).0;
        for &user in items.iter().flat_map(|&item| users_of(item)) {
            let n_items = &mut self.of_user[user as usize];
            if *n_items == 0 {
                self.users.push(user);
            }
            *n_items += 1;
        }
        let mut end = 0;
        for &user in &self.users {
            let n_items = &mut self.of_user[user as usize];
            (*n_items, end) = (end, end + *n_items);
        }
        self.places.clear();
        self.places.resize(end as usize, 0);
        for (place, &item) in items.iter().enumerate() {
            for &user in users_of(item) {
                let next = &mut self.of_user[user as usize];
                self.places[*next as usize] = place as u32;
                *next += 1;
            }
        }
        let n = items.len();
        self.counts.clear();
        self.counts.resize(n * n, 0.0);
        let mut start = 0;
        for user in self.users.drain(..) {
            let end = std::mem::take(&mut self.of_user[user as usize]) as usize;
            let places = &self.places[start..end];
            for (at, &i) in places.iter().enumerate() {
                let row = &mut self.counts[i as usize * n..][..n];
                places[at..].iter().for_each(|&j| row[j as usize] += 1.0);
            }
            start = end;
        }
        &self.counts
    }
}

/// The `limit` weights that are largest by amount, the largest first.
fn largest(weights: impl Iterator<Item = (u32, f32)>, limit: usize) -> Vec<(f32, ItemId)> {
    let mut rows: Vec<(f32, (ItemId, f32))> = Vec::new();
    rows.extend(
        weights.filter(|row| row.1 != 0.0).map(|(to, weight)| (weight.abs(), (ItemId::new(to), weight))),
    );
    if rows.len() > limit {
        rows.select_nth_unstable_by(limit - 1, by_amount);
        rows.truncate(limit);
    }
    rows.sort_unstable_by(by_amount);
    rows.into_iter().map(|(_, (item, weight))| (weight, item)).collect()
}

fn by_amount(a: &(f32, (ItemId, f32)), b: &(f32, (ItemId, f32))) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.0.cmp(&b.1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use proptest::prelude::*;

    fn matrix(n_users: usize, n_items: usize, cells: &[(u32, u32)]) -> Csr {
        Csr::from_entries(n_users, n_items, cells.iter().map(|&(user, item)| (user, item, 1.0)))
    }

    fn params(regularization: f32) -> EaseParams {
        EaseParams { regularization, ..EaseParams::default() }
    }

    #[test]
    fn equals_the_formula() {
        // Two items, one shared user of two and one: G + I = [[3, 1], [1, 2]], its inverse [[2, -1], [-1, 3]] / 5.
        let neighbors = fit(&matrix(2, 2, &[(0, 0), (0, 1), (1, 0)]), &params(1.0), &Silent).unwrap();
        assert!((neighbors.similarity(ItemId::new(0), ItemId::new(1)) - 1.0 / 3.0).abs() < 1e-6);
        assert!((neighbors.similarity(ItemId::new(1), ItemId::new(0)) - 1.0 / 2.0).abs() < 1e-6);
    }

    #[test]
    fn the_largest_weights_by_amount_are_kept() {
        let rows = largest([(0, 0.5), (1, -0.9), (2, 0.0), (3, 0.5), (4, 0.1)].into_iter(), 3);
        assert_eq!(rows, [(-0.9, ItemId::new(1)), (0.5, ItemId::new(0)), (0.5, ItemId::new(3))]);
    }

    #[test]
    fn params_out_of_range_are_all_named() {
        let wrong =
            EaseParams { regularization: f32::NAN, neighbors: 0, dense_up_to: 1 << 20, candidates: 0 };
        assert_eq!(wrong.problems().len(), 4);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_lists(
            cells in prop::collection::btree_set((0u32..15, 0u32..9), 1..80),
            items in prop::collection::btree_set(0u32..9, 0..9),
        ) {
            let matrix = matrix(15, 9, &cells.iter().copied().collect::<Vec<_>>()).transpose();
            let items: Vec<u32> = items.into_iter().collect();
            let mut together = Together::new(15);
            for _ in 0..2 {
                let counts = together.count(&items, &matrix);
                for (i, a) in items.iter().enumerate() {
                    for (j, b) in items.iter().enumerate().skip(i) {
                        let both = |user: &u32| cells.contains(&(*user, *a)) && cells.contains(&(*user, *b));
                        prop_assert_eq!(counts[i * items.len() + j] as usize, (0..15).filter(both).count());
                    }
                }
            }
        }

        #[test]
        fn regressions_on_all_other_items_are_the_dense_solution(
            cells in prop::collection::btree_set((0u32..12, 0u32..9), 1..60),
            regularization in 0.5f32..20.0,
        ) {
            // One user had everything, so that every item is near every other.
            let all = (0..9).map(|item| (12, item));
            let matrix = matrix(13, 9, &cells.into_iter().chain(all).collect::<Vec<_>>());
            let dense = fit(&matrix, &params(regularization), &Silent).unwrap();
            let sparse = EaseParams { dense_up_to: 0, ..params(regularization) };
            let sparse = fit(&matrix, &sparse, &Silent).unwrap();
            for (from, to) in (0..81).map(|pair| (ItemId::new(pair / 9), ItemId::new(pair % 9))) {
                let (a, b) = (dense.similarity(from, to), sparse.similarity(from, to));
                prop_assert!((a - b).abs() < 1e-4, "{from:?} {to:?}: {a} and {b}");
            }
        }
    }
}
