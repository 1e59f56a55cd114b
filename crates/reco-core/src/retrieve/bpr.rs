//! Factors fitted to an order: the model as served, and the generator over it.

use super::{CandidateGenerator, Support, taste};
use crate::candidate::Hits;
use crate::error::{Fault, FaultKind};
use crate::id::ItemId;
use crate::linalg::{Matrix, axpy, dot, scan};
use crate::query::Query;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Factors of users and items whose inner products order a user's items (Rendle et al., "BPR: Bayesian
/// Personalized Ranking from Implicit Feedback", UAI 2009).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BprModel {
    /// One row per user of the snapshot: the factors, then 1; zero for users without interactions.
    pub users: Matrix,
    /// One row per item of the snapshot: the factors, then how well it does with everybody; zero for items
    /// nobody touched.
    pub items: Matrix,
    /// How the factors were fitted.
    pub descent: BprDescent,
}

/// The descent that fitted a [`BprModel`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BprDescent {
    /// Weight of the squared factors in every step.
    pub regularization: f32,
    /// Items drawn for an interaction; the highest of them stands against it.
    pub candidates: usize,
    /// Steps taken for an interaction, in all epochs, times their length.
    pub length: f32,
}

impl BprModel {
    /// The name under which the snapshot keeps it.
    pub const NAME: &'static str = "bpr";

    /// A user needs a third of the training's descent where items stay as they are: that makes rows as long as
    /// trained ones. On MovieLens-100K they share 88 % of the ten best new items with those.
    const FOLD_IN: f32 = 0.35;
    /// A user's steps: at most so many,
    const STEPS: usize = 10;
    /// and at least so many, however few their items are.
    const FEWEST_STEPS: usize = 3;
    /// The mean length of a step, over the items of the user.
    const STEP: f32 = 2.0;
    /// Items of the catalogue that stand against the user's; of more, so many spread over all.
    const OTHERS: usize = 2_048;
    /// Of those, what stands against each of the user's.
    const AGAINST: usize = 8;

    /// The row of a user who has the items `had`, by a descent of the training's loss with the items fixed. It
    /// begins at `start` and takes the given `share` of the steps that training would have taken, 0 to 1.
    ///
    /// Training draws items against each of the user's and keeps the highest. Here the quantiles of what it
    /// would have kept stand against them, so that the answer repeats. Items out of range and a `start` of another length are
    /// ignored; without any item, the answer is `start`, or zero.
    pub fn fold_in(&self, had: &[ItemId], start: Option<&[f32]>, share: f32) -> Vec<f32> {
        let d = self.items.n_columns();
        let had: Vec<usize> = had.iter().map(|item| item.index()).filter(|&row| self.is_known(row)).collect();
        let others = self.others(&had);
        let start = start.filter(|start| start.len() == d);
        let mut user = start.map_or_else(|| vec![0.0; d], <[f32]>::to_vec);
        if had.is_empty() || others.is_empty() || d == 0 {
            return user;
        }
        user[d - 1] = 1.0;
        let length = self.descent.length * Self::FOLD_IN * share.clamp(0.0, 1.0);
        let n_steps =
            ((length * had.len() as f32 / Self::STEP).ceil() as usize).clamp(Self::FEWEST_STEPS, Self::STEPS);
        let step = (length / n_steps as f32).min(Self::STEP / had.len() as f32);
        for n_done in 0..n_steps {
            let left = 1.0 - (n_done as f32 + 0.5) / n_steps as f32;
            self.step(&had, &others, 2.0 * left * step, &mut user);
        }
        user
    }

    /// What stands against items of the user's.
    fn others(&self, had: &[usize]) -> Vec<usize> {
        let n_items = self.items.n_rows();
        let mut own = vec![false; n_items];
        had.iter().for_each(|&row| own[row] = true);
        // Multiples of the golden ratio spread evenly (Knuth, vol. 3, 6.4).
        let spread = |draw: usize| (draw as f64 * 0.618_033_988_749_895).fract() * n_items as f64;
        let row = |draw| if n_items <= Self::OTHERS { draw } else { spread(draw) as usize };
        let drawn = (0..n_items.min(Self::OTHERS)).map(row);
        drawn.filter(|&row| !own[row] && self.is_known(row)).collect()
    }

    /// One step down the loss, of the length `rate`.
    fn step(&self, had: &[usize], others: &[usize], rate: f32, user: &mut [f32]) {
        let row = |row: usize| self.items.row(row);
        let mut ranked: Vec<(f32, usize)> =
            others.iter().map(|&other| (dot(row(other), user), other)).collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut pushed_down = vec![0.0f32; ranked.len()];
        let last = user.len() - 1;
        let mut direction = vec![0.0; user.len()];
        for (&own, turn) in had.iter().zip(1..) {
            let (score, mut pushed_up) = (dot(row(own), user), 0.0);
            for against in 0..Self::AGAINST {
                let place = self.place(against, turn, ranked.len());
                let push = 1.0 / (1.0 + (score - ranked[place].0).exp()) / Self::AGAINST as f32;
                pushed_up += push;
                pushed_down[place] += push;
            }
            axpy(pushed_up, row(own), &mut direction);
        }
        for (&(_, other), push) in ranked.iter().zip(pushed_down).filter(|(_, push)| *push > 0.0) {
            axpy(-push, row(other), &mut direction);
        }
        let held_back = self.descent.regularization * had.len() as f32;
        for (factor, direction) in user[..last].iter_mut().zip(direction) {
            *factor += rate * (direction - held_back * *factor);
        }
    }

    /// The place among `n` ranked ones of a quantile of the highest of `candidates` drawn from them; quantiles
    /// differ by the `turn`.
    fn place(&self, against: usize, turn: u32, n: usize) -> usize {
        let shift = (f64::from(turn) * 0.618_033_988_749_895).fract();
        let quantile = (against as f64 + shift) / Self::AGAINST as f64;
        let share = 1.0 - (1.0 - quantile).powf(1.0 / self.descent.candidates.max(1) as f64);
        ((share * n as f64) as usize).min(n - 1)
    }

    fn is_known(&self, row: usize) -> bool {
        row < self.items.n_rows() && self.items.row(row).iter().any(|&factor| factor != 0.0)
    }
}

/// The user's row for one request, kept for all who need it.
struct UserRow(Option<Arc<[f32]>>);

impl UserRow {
    /// The trained row where training saw all there is, else what it becomes with what is new, or one folded in.
    fn new(query: &Query, model: &BprModel) -> Self {
        let trained = query.user_row().map(|row| row as usize).filter(|&row| row < model.users.n_rows());
        let trained = trained.map(|row| model.users.row(row)).filter(|row| dot(row, row) > 0.0);
        let n_new = query.n_fresh() + query.request.context.session_items.len();
        if n_new == 0 && trained.is_some() {
            return Self(trained.map(Arc::from));
        }
        let had: Vec<ItemId> = query.liked().into_iter().map(|(item, _)| item).collect();
        let share = if trained.is_some() { n_new as f32 / had.len().max(1) as f32 } else { 1.0 };
        Self((!had.is_empty()).then(|| model.fold_in(&had, trained, share).into()))
    }
}

/// Items that are ordered highest for the user. Users are folded in from their latest events.
#[derive(Clone, Copy, Debug, Default)]
pub struct BprGenerator;

impl BprGenerator {
    fn model(query: &Query) -> Result<&BprModel, Fault> {
        query.snapshot.models.get(BprModel::NAME).ok_or_else(|| {
            Fault::new(BprModel::NAME, FaultKind::NotFound).because("the snapshot has no BPR model")
        })
    }
}

impl CandidateGenerator for BprGenerator {
    fn name(&self) -> &'static str {
        BprModel::NAME
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let model = Self::model(query)?;
        if !taste::is_asked_for(query) {
            return Ok(());
        }
        let user = query.memo(|query| UserRow::new(query, model));
        let Some(user) = &user.0 else { return Ok(()) };
        let mut scores = vec![0.0; model.items.n_rows()];
        scan(&model.items, user, &mut scores);
        taste::propose(query, &scores, |score| score != 0.0, limit, out);
        Ok(())
    }

    fn assess(&self, query: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        let model = Self::model(query)?;
        if taste::is_asked_for(query)
            && let Some(user) = &query.memo(|query| UserRow::new(query, model)).0
        {
            taste::assess(&model.items, user, items, scores);
        }
        Ok(())
    }

    /// The user's items whose factors point the same way.
    fn support(&self, query: &Query, item: ItemId, out: &mut Vec<Support>) {
        let Ok(model) = Self::model(query) else { return };
        let (n_items, d) = (model.items.n_rows(), model.items.n_columns());
        if item.index() >= n_items || d == 0 {
            return;
        }
        let factors = |item: ItemId| &model.items.row(item.index())[..d - 1];
        for (own, _) in query.liked().into_iter().filter(|(own, _)| own.index() < n_items) {
            let weight = dot(factors(own), factors(item));
            if weight > 0.0 && own != item {
                out.push(Support { item: own, weight });
            }
        }
    }
}
