//! Pairs of a user and an item, several at a time.

use super::TwoTowerParams;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use reco_core::interactions::Histories;

/// Some pairs.
pub(super) struct Batch {
    /// All items that it speaks of, once each.
    pub(super) items: Vec<u32>,
    /// The item of each pair, as a position in `items`.
    pub(super) own: Vec<u32>,
    /// What each of `items` counts in the mean of the pair's other items, row-major; mostly 0.
    pub(super) weights: Vec<f32>,
    /// How many others there are.
    pub(super) n_others: Vec<f32>,
    /// What is added to the logit of a pair's user with the item of each pair, row-major: the correction, and far below
    /// for other items that the user has, too.
    pub(super) offsets: Vec<f32>,
}

/// All pairs, in an order of their own every time.
pub(super) struct Pairs<'a> {
    params: &'a TwoTowerParams,
    /// The items of users who have two.
    users: Vec<Vec<u32>>,
    /// Users with positions in their items.
    order: Vec<(u32, u32)>,
    /// How many users have each item.
    n_users_of: Vec<u32>,
    next: usize,
    rng: Pcg64Mcg,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(histories: &Histories, n_items: usize, params: &'a TwoTowerParams) -> Self {
        let liked = |user: u32| -> Vec<u32> {
            let liked = histories.of(user).iter().filter(|touch| touch.is_liked());
            liked.map(|touch| touch.item.raw()).collect()
        };
        let users = (0..histories.n_users() as u32).map(liked).filter(|items| items.len() > 1);
        let users: Vec<Vec<u32>> = users.collect();
        let mut n_users_of = vec![0; n_items];
        users.iter().flatten().for_each(|&item| n_users_of[item as usize] += 1);
        let of_user =
            |(user, items): (u32, &Vec<u32>)| (0..items.len() as u32).map(move |place| (user, place));
        let order = (0..).zip(&users).flat_map(of_user).collect();
        let rng = Pcg64Mcg::seed_from_u64(params.seed);
        Self { params, users, order, n_users_of, next: 0, rng }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many users have each item.
    pub(super) fn n_users_of(&self) -> Vec<u32> {
        self.n_users_of.clone()
    }

    /// Begins another pass.
    pub(super) fn shuffle(&mut self) {
        self.next = 0;
        self.order.shuffle(&mut self.rng);
    }

    /// The share of the pass that is over, 0..1.
    pub(super) fn passed(&self) -> f64 {
        self.next as f64 / self.order.len().max(1) as f64
    }

    /// The next batch of the pass; `None` at its end. A last pair alone has nothing to be told from and is left out.
    pub(super) fn next(&mut self) -> Option<Batch> {
        let end = (self.next + self.params.batch).min(self.order.len());
        let pairs = self.order[self.next..end].to_vec();
        self.next = end;
        if pairs.len() < 2 {
            return None;
        }
        let item_of = |&(user, place): &(u32, u32)| self.users[user as usize][place as usize];
        let own: Vec<u32> = pairs.iter().map(item_of).collect();
        let offsets = self.offsets(&pairs, &own);
        let others: Vec<Vec<u32>> = pairs.iter().map(|&(user, place)| self.draw(user, place)).collect();
        let mut items: Vec<u32> = others.iter().flatten().chain(&own).copied().collect();
        items.sort_unstable();
        items.dedup();
        let place = |item: &u32| items.binary_search(item).expect("all items are there");
        let mut weights = vec![0.0; pairs.len() * items.len()];
        for (others, weights) in others.iter().zip(weights.chunks_exact_mut(items.len())) {
            others.iter().for_each(|item| weights[place(item)] = 1.0 / others.len() as f32);
        }
        let n_others = others.iter().map(|others| others.len() as f32).collect();
        let own = own.iter().map(|item| place(item) as u32).collect();
        Some(Batch { items, own, weights, n_others, offsets })
    }

    /// Draws a run of the user's items without the one at `place`.
    fn draw(&mut self, user: u32, place: u32) -> Vec<u32> {
        let items = &self.users[user as usize];
        let n_others = items.len() - 1;
        let most = n_others.min(self.params.history);
        // Half of the time fewer than there are, so that it has seen people of whom little is known.
        let n_drawn = if self.rng.random_range(0..2) == 0 { most } else { self.rng.random_range(1..=most) };
        // In order of time, as serving will see the latest.
        let first = if n_drawn < n_others { self.rng.random_range(0..=n_others - n_drawn) } else { 0 };
        let other = |turn: usize| if turn < place as usize { items[turn] } else { items[turn + 1] };
        (first..first + n_drawn).map(other).collect()
    }

    fn offsets(&self, pairs: &[(u32, u32)], items: &[u32]) -> Vec<f32> {
        let n_pairs = self.order.len() as f32;
        let correction = |&item: &u32| {
            let drawn = self.n_users_of[item as usize] as f32 / n_pairs;
            if self.params.corrected { -drawn.ln() } else { 0.0 }
        };
        let corrections: Vec<f32> = items.iter().map(correction).collect();
        let mut is_own = vec![false; self.n_users_of.len()];
        let mut offsets = Vec::with_capacity(pairs.len() * pairs.len());
        for (row, &(user, _)) in pairs.iter().enumerate() {
            let own = &self.users[user as usize];
            own.iter().for_each(|&item| is_own[item as usize] = true);
            let with = items.iter().zip(&corrections).enumerate();
            offsets.extend(with.map(|(column, (&item, &correction))| {
                if column != row && is_own[item as usize] { NO_CHANCE } else { correction }
            }));
            own.iter().for_each(|&item| is_own[item as usize] = false);
        }
        offsets
    }
}

/// An offset that leaves an item no share in a softmax, without being infinite.
const NO_CHANCE: f32 = -1e9;
