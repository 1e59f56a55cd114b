//! Implicit-feedback matrix factorisation: the model as served, and the generator over it.

use super::{CandidateGenerator, Support, taste};
use crate::candidate::Hits;
use crate::error::{Fault, FaultKind};
use crate::id::{ItemId, ItemKey, UserKey};
use crate::linalg::{Matrix, Spd, add_outers, add_projections, axpy, conjugate_gradient, dot, scan};
use crate::live::Takers;
use crate::query::Query;
use crate::snapshot::Snapshot;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Factors of users and items (Hu, Koren & Volinsky, ICDM 2008) under the loss of Rendle et al.,
/// "Revisiting the Performance of iALS on Item Recommendation Benchmarks", RecSys 2022, section 3:
///
/// Σ_observed c (1 - w·h)² + a0 Σ_all (w·h)² + λ Σ_u (n_u + a0 n_items)^ν |w_u|² + (the same over items)
///
/// with w the user's and h the item's factors, c the confidence, n_u the observed items of u.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AlsModel {
    /// One row per user of the snapshot.
    pub users: Matrix,
    /// One row per item of the snapshot; zero for items nobody touched.
    pub items: Matrix,
    /// The weights of the loss.
    pub loss: AlsLoss,
    /// H^T H, row-major; the same for every user.
    gram: Vec<f32>,
    /// The same of the users, for items.
    user_gram: Vec<f32>,
    /// U^-T h per item, where U^T U is the part of a user's system that all users share: the inner
    /// product of two such rows says how much one item speaks for another.
    whitened: Matrix,
}

/// The weights of the loss; see [`AlsModel`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlsLoss {
    /// a0, the weight of every pair, observed or not.
    pub unobserved_weight: f32,
    /// λ.
    pub regularization: f32,
    /// ν: 0 regularises all rows alike, 1 in proportion to their observations.
    pub frequency_exponent: f32,
}

impl AlsLoss {
    /// The regularisation of a row with `n_observed` observations out of `n_others`.
    pub fn regularization_of(&self, n_observed: usize, n_others: usize) -> f32 {
        let frequency = n_observed as f32 + self.unobserved_weight * n_others as f32;
        self.regularization * frequency.powf(self.frequency_exponent)
    }

    /// The confidence in an interaction of summed weight `weight`: 1 for one event of weight 1, then
    /// growing with the logarithm, since the hundredth purchase says less than the first.
    pub fn confidence(weight: f32) -> f32 {
        (1.0 + weight).log2()
    }
}

impl AlsModel {
    /// The name under which the snapshot keeps it.
    pub const NAME: &'static str = "als";

    /// Completes fitted factors with what serving needs.
    pub fn new(users: Matrix, items: Matrix, loss: AlsLoss) -> Self {
        let d = items.n_columns();
        let user_gram = mirrored(d, gram(&users));
        let gram = mirrored(d, gram(&items));
        let mut shared: Vec<f32> = gram.iter().map(|cell| cell * loss.unobserved_weight).collect();
        // Regularised as for a user with a handful of items; keeps it positive definite, too.
        let regularization = loss.regularization_of(10, items.n_rows()).max(f32::MIN_POSITIVE);
        (0..d).for_each(|i| shared[i * d + i] += regularization);
        let mut whitened = items.clone();
        match Spd::factor(d, shared) {
            Ok(factor) => (0..items.n_rows()).for_each(|row| factor.solve_transposed(whitened.row_mut(row))),
            Err(_) => whitened.as_mut_slice().fill(0.0),
        }
        Self { users, items, loss, gram, user_gram, whitened }
    }

    /// Number of factors.
    pub fn n_factors(&self) -> usize {
        self.items.n_columns()
    }

    /// The factors of a user who touched `observed` (items with confidences), as training would
    /// have set them with the item factors fixed; `start` is where the iteration begins.
    ///
    /// Items out of range and a `start` of another length are ignored. Without any observation the answer is zero.
    pub fn fold_in(&self, observed: &[(ItemId, f32)], start: Option<&[f32]>) -> Vec<f32> {
        let observed = observed.iter().map(|&(item, confidence)| (item.index(), confidence));
        self.solve(&self.items, &self.gram, observed, 1.0, start)
    }

    /// The factors of an item that `observed` touched (rows of users with confidences), as training would have
    /// set them with the user factors fixed: what an item without factors of its own is worth after its first
    /// interactions.
    ///
    /// Rows out of range are ignored. Without any observation the answer is zero.
    pub fn fold_in_item(&self, observed: &[(u32, f32)]) -> Vec<f32> {
        self.fold_in_item_of_sample(observed, 1.0)
    }

    /// As [`fold_in_item`](Self::fold_in_item), where each of the users observed stands for so many of all who touched
    /// the item.
    pub fn fold_in_item_of_sample(&self, observed: &[(u32, f32)], each_stands_for: f32) -> Vec<f32> {
        let observed = observed.iter().map(|&(user, confidence)| (user as usize, confidence));
        self.solve(&self.users, &self.user_gram, observed, each_stands_for, None)
    }

    /// The minimum of the loss over one row, given what was observed of the `others`, for how many each of these
    /// stands, and the Gram matrix of all.
    fn solve(
        &self,
        others: &Matrix,
        gram: &[f32],
        observed: impl Iterator<Item = (usize, f32)>,
        each_stands_for: f32,
        start: Option<&[f32]>,
    ) -> Vec<f32> {
        let d = self.n_factors();
        let observed: Vec<(&[f32], f32)> = (observed.filter(|&(row, _)| row < others.n_rows()))
            .map(|(row, confidence)| (others.row(row), confidence * each_stands_for))
            .collect();
        let mut target = vec![0.0; d];
        observed.iter().for_each(|(row, confidence)| axpy(*confidence, row, &mut target));
        let n_observed = (observed.len() as f32 * each_stands_for).round() as usize;
        let regularization = self.loss.regularization_of(n_observed, others.n_rows());
        if observed.len() < d {
            return self.solve_directly(gram, &observed, target, regularization);
        }
        // A long history makes the matrix dear and its products cheap.
        let apply = |v: &[f32], out: &mut [f32]| {
            for (out, row) in out.iter_mut().zip(gram.chunks_exact(d)) {
                *out = self.loss.unobserved_weight * dot(row, v);
            }
            axpy(regularization, v, out);
            add_projections(&observed, v, out);
        };
        let start = start.filter(|start| start.len() == d);
        let mut x = start.map_or_else(|| vec![0.0; d], <[f32]>::to_vec);
        conjugate_gradient(apply, &target, &mut x, Self::FOLD_IN_TOLERANCE, Self::FOLD_IN_STEPS);
        x
    }

    /// Far below what changes an order.
    const FOLD_IN_TOLERANCE: f32 = 1e-3;
    const FOLD_IN_STEPS: usize = 32;

    fn solve_directly(
        &self,
        gram: &[f32],
        observed: &[(&[f32], f32)],
        mut target: Vec<f32>,
        regularization: f32,
    ) -> Vec<f32> {
        let d = self.n_factors();
        let mut system: Vec<f32> = gram.iter().map(|cell| cell * self.loss.unobserved_weight).collect();
        add_outers(observed, &mut system);
        (0..d).for_each(|i| system[i * d + i] += regularization);
        match Spd::factor(d, system) {
            Ok(factor) => factor.solve(&mut target),
            Err(_) => target.fill(0.0),
        }
        target
    }

    /// How much `by` speaks for `item`, in units of the score (section 5 of Hu et al., with the
    /// part of the user's system that all users share).
    pub fn influence(&self, item: ItemId, by: ItemId) -> f32 {
        let n_items = self.whitened.n_rows();
        if item.index() >= n_items || by.index() >= n_items {
            return 0.0;
        }
        dot(self.whitened.row(item.index()), self.whitened.row(by.index()))
    }
}

/// The upper triangle of H^T H.
fn gram(rows: &Matrix) -> Vec<f32> {
    let d = rows.n_columns();
    let mut sum = vec![0.0; d * d];
    add_outers(&rows.rows().map(|row| (row, 1.0)).collect::<Vec<_>>(), &mut sum);
    sum
}

fn mirrored(d: usize, mut upper: Vec<f32>) -> Vec<f32> {
    for i in 0..d {
        for j in 0..i {
            upper[i * d + j] = upper[j * d + i];
        }
    }
    upper
}

/// The user's factors for one request, kept for all who need them.
struct UserVector(Option<Arc<[f32]>>);

/// The user's factors under `model`: the trained row where training saw all there is, else folded in
/// from the history and the running session. None for a user without any positive event.
///
/// Computed once a request, so rankers and explanations may ask again.
pub fn user_vector(query: &Query, model: &AlsModel) -> Option<Arc<[f32]>> {
    query.memo(|query| UserVector(compute_user_vector(query, model))).0.clone()
}

fn compute_user_vector(query: &Query, model: &AlsModel) -> Option<Arc<[f32]>> {
    let trained = query.user_row().map(|row| row as usize).filter(|&row| row < model.users.n_rows());
    let trained = trained.map(|row| model.users.row(row));
    if query.n_fresh() == 0 && query.request.context.session_items.is_empty() {
        return trained.map(Arc::from);
    }
    let observed = observed(query);
    (!observed.is_empty()).then(|| model.fold_in(&observed, trained).into())
}

/// Whether the catalogue has the item, but the ALS model no factors for it.
pub(crate) fn is_new(snapshot: &Snapshot, item: &ItemKey) -> bool {
    let Some(model) = snapshot.models.get::<AlsModel>(AlsModel::NAME) else { return false };
    let row = snapshot.catalog.id(item.as_str()).map(ItemId::index);
    row.is_some_and(|row| row >= model.items.n_rows() || is_zero(model.items.row(row)))
}

/// The factors of a new item under the model of `snapshot`; None where training knew none of its takers.
pub(crate) fn newcomer(snapshot: &Snapshot, takers: &Takers) -> Option<Arc<[f32]>> {
    let model = snapshot.models.get::<AlsModel>(AlsModel::NAME)?;
    let row = |user: &UserKey| snapshot.users.row(user.as_str());
    let is_trained =
        |row: &u32| (*row as usize) < model.users.n_rows() && !is_zero(model.users.row(*row as usize));
    let observed = takers
        .iter()
        .filter_map(|(user, weight)| Some((row(user).filter(is_trained)?, AlsLoss::confidence(weight))));
    let observed: Vec<(u32, f32)> = observed.collect();
    let factors = || model.fold_in_item_of_sample(&observed, takers.each_stands_for()).into();
    (!observed.is_empty()).then(factors)
}

fn is_zero(row: &[f32]) -> bool {
    row.iter().all(|&factor| factor == 0.0)
}

/// Items whose factors fit the user's. Users are folded in from their latest events, so the first
/// click changes the next page and users unknown to training get a personal list. Items that training did not
/// see are folded in from the users who took them since, as far as training knew those.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlsGenerator;

impl AlsGenerator {
    fn model(query: &Query) -> Result<&AlsModel, Fault> {
        let model = query.snapshot.models.get(AlsModel::NAME);
        model.ok_or_else(|| {
            Fault::new(AlsModel::NAME, FaultKind::NotFound).because("the snapshot has no ALS model")
        })
    }
}

/// The user's items with their confidences.
fn observed(query: &Query) -> Vec<(ItemId, f32)> {
    query.liked().into_iter().map(|(item, weight)| (item, AlsLoss::confidence(weight))).collect()
}

/// The observations that explanations look at: a page is explained by what is fresh in memory.
struct Recent(Vec<(ItemId, f32)>);

impl Recent {
    const KEPT: usize = 50;

    fn new(query: &Query) -> Self {
        let mut observed = observed(query);
        observed.truncate(Self::KEPT);
        Self(observed)
    }
}

impl CandidateGenerator for AlsGenerator {
    fn name(&self) -> &'static str {
        AlsModel::NAME
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let model = Self::model(query)?;
        // Beside an item, the neighbours by vector take its place.
        if !taste::is_asked_for(query) {
            return Ok(());
        }
        let Some(vector) = user_vector(query, model) else { return Ok(()) };
        let mut scores = vec![0.0; model.items.n_rows()];
        scan(&model.items, &vector, &mut scores);
        for (id, factors) in query.live.newcomers(&query.snapshot) {
            // Items that came after the model was fitted have rows behind its own.
            scores.resize(scores.len().max(id.index() + 1), 0.0);
            scores[id.index()] = dot(&factors, &vector);
        }
        // Items nobody touched have zero factors; content and freshness are their way in.
        taste::propose(query, &scores, |score| score != 0.0, limit, out);
        Ok(())
    }

    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        let model = Self::model(query)?;
        if !taste::is_asked_for(query) {
            return Ok(());
        }
        let Some(vector) = user_vector(query, model) else { return Ok(()) };
        taste::assess(&model.items, &vector, items, scores);
        let newcomers = query.live.newcomers(&query.snapshot);
        if newcomers.is_empty() {
            return Ok(());
        }
        let newcomers: FxHashMap<ItemId, Arc<[f32]>> = newcomers.into_iter().collect();
        for (item, score) in items.iter().zip(scores) {
            *score = newcomers.get(item).map_or(*score, |factors| dot(factors, &vector));
        }
        Ok(())
    }

    fn support(&self, query: &Query, item: ItemId, out: &mut Vec<Support>) {
        let Ok(model) = Self::model(query) else { return };
        for &(by, confidence) in &query.memo(Recent::new).0 {
            if by != item {
                out.push(Support { item: by, weight: confidence * model.influence(item, by) });
            }
        }
    }
}
