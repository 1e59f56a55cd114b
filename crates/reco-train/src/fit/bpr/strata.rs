//! One pass over all interactions, in pieces that can be visited side by side.

use super::BprParams;
use rand::distr::{Distribution, Uniform};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;
use reco_core::interactions::Csr;
use reco_core::linalg::{Matrix, axpy, dot};

/// Users and items are divided into so many groups each: the most threads that help.
const GROUPS: usize = 8;

/// The interactions of one pass, by groups of users and items. Users keep their groups; items are grouped anew
/// for every pass, as negatives come from the group of the item they stand against.
pub(super) struct Strata<'a> {
    interactions: &'a Csr,
    /// Items in random order; a group is a stretch of it.
    order: Vec<u32>,
    /// User and place in `order`, for each of GROUPS x GROUPS strata, users before items; in random order.
    cells: Vec<Vec<(u32, u32)>>,
    users_per_group: usize,
    items_per_group: usize,
    /// Seeds the draws of this pass.
    seed: u64,
}

impl<'a> Strata<'a> {
    pub(super) fn new(interactions: &'a Csr, rng: &mut Pcg64) -> Self {
        let (n_users, n_items) = (interactions.n_rows(), interactions.n_columns());
        let mut order: Vec<u32> = (0..n_items as u32).collect();
        shuffle(&mut order, rng);
        let mut places = vec![0u32; n_items];
        order.iter().zip(0..).for_each(|(&item, place)| places[item as usize] = place);
        let (users_per_group, items_per_group) = (n_users.div_ceil(GROUPS), n_items.div_ceil(GROUPS));
        let mut cells = vec![Vec::new(); GROUPS * GROUPS];
        for user in 0..n_users {
            for &item in interactions.row(user).0 {
                let place = places[item as usize];
                let cell = user / users_per_group * GROUPS + place as usize / items_per_group;
                cells[cell].push((user as u32, place));
            }
        }
        let seed = rng.random();
        let numbered = cells.par_iter_mut().enumerate();
        numbered
            .for_each(|(number, stratum)| shuffle(stratum, &mut Pcg64::seed_from_u64(seed ^ number as u64)));
        Self { interactions, order, cells, users_per_group, items_per_group, seed }
    }

    /// Takes a step for every interaction.
    pub(super) fn visit(&self, users: &mut Matrix, items: &mut Matrix, rate: f32, params: &BprParams) {
        let d = items.n_columns();
        let mut ordered: Vec<f32> =
            self.order.iter().flat_map(|&item| items.row(item as usize)).copied().collect();
        for round in 0..GROUPS {
            // In each round every group of users meets another group of items.
            let user_groups = users.as_mut_slice().par_chunks_mut(self.users_per_group * d);
            let mut item_groups: Vec<Option<&mut [f32]>> =
                ordered.chunks_mut(self.items_per_group * d).map(Some).collect();
            item_groups.resize_with(GROUPS, || None);
            item_groups.rotate_left(round);
            user_groups.zip(item_groups).enumerate().for_each(|(user_group, (users, items))| {
                let item_group = (user_group + round) % GROUPS;
                let number = user_group * GROUPS + item_group;
                let Some(items) = items else { return };
                let mut visit = Visit {
                    strata: self,
                    rng: Pcg64::seed_from_u64(self.seed ^ ((number + GROUPS * GROUPS) as u64)),
                    first_user: user_group * self.users_per_group,
                    first_place: item_group * self.items_per_group,
                    d,
                    users,
                    items,
                };
                visit.run(&self.cells[number], rate, params);
            });
        }
        for (&item, row) in self.order.iter().zip(ordered.chunks_exact(d)) {
            items.row_mut(item as usize).copy_from_slice(row);
        }
    }
}

/// One thread's work on one stratum.
struct Visit<'a> {
    strata: &'a Strata<'a>,
    rng: Pcg64,
    first_user: usize,
    first_place: usize,
    d: usize,
    /// Rows of the users of the group.
    users: &'a mut [f32],
    /// Rows of the items of the group, in the order of the pass.
    items: &'a mut [f32],
}

impl Visit<'_> {
    fn run(&mut self, interactions: &[(u32, u32)], rate: f32, params: &BprParams) {
        let n_items = self.items.len() / self.d;
        let Ok(any) = Uniform::new(0, n_items) else { return };
        let (mut drawn, mut before) = (Vec::with_capacity(params.candidates), vec![0.0; self.d]);
        for &(user, place) in interactions {
            let positive = place as usize - self.first_place;
            let own = (user as usize - self.first_user) * self.d..;
            let factors = &self.users[own.clone()][..self.d];
            drawn.clear();
            for _ in 0..params.candidates {
                let item = any.sample(&mut self.rng);
                drawn.push((dot(factors, self.item(item)), item));
            }
            let Some((score, negative)) = self.hardest(user, &mut drawn) else { continue };
            let margin = dot(factors, self.item(positive)) - score;
            let push = rate / (1.0 + margin.exp());
            let keep = 1.0 - rate * params.regularization;
            before.copy_from_slice(factors);
            let last = self.d - 1;
            // The last factor of a user is the 1 that a bias is multiplied with; biases are not held back.
            let row = &mut self.users[own][..last];
            let [up, down] = [positive, negative].map(|item| item * self.d..(item + 1) * self.d);
            row.iter_mut().for_each(|factor| *factor *= keep);
            axpy(push, &self.items[up.clone()][..last], row);
            axpy(-push, &self.items[down.clone()][..last], row);
            for (item, push) in [(up, push), (down, -push)] {
                let row = &mut self.items[item];
                row[..last].iter_mut().for_each(|factor| *factor *= keep);
                axpy(push, &before, row);
            }
        }
    }

    fn item(&self, place: usize) -> &[f32] {
        &self.items[place * self.d..][..self.d]
    }

    /// The highest of those drawn that the user did not have.
    fn hardest(&self, user: u32, drawn: &mut Vec<(f32, usize)>) -> Option<(f32, usize)> {
        let had = self.strata.interactions.row(user as usize).0;
        loop {
            let highest = (0..drawn.len()).max_by(|&a, &b| drawn[a].0.total_cmp(&drawn[b].0))?;
            let (score, place) = drawn.swap_remove(highest);
            let item = self.strata.order[self.first_place + place];
            if had.binary_search(&item).is_err() {
                return Some((score, place));
            }
        }
    }
}

/// Fisher and Yates.
fn shuffle<T>(values: &mut [T], rng: &mut impl Rng) {
    for end in (1..values.len()).rev() {
        values.swap(end, rng.random_range(0..=end));
    }
}
