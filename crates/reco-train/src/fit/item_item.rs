//! Fitting item-to-item neighbours from who took what.

use super::{FitError, bad};
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::candidate::top_k;
use reco_core::id::ItemId;
use reco_core::interactions::Csr;
use reco_core::retrieve::neighbors::Neighbors;
use serde::{Deserialize, Serialize};

/// Parameters of the neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ItemItemParams {
    /// Neighbours kept per item, 1 to 10,000.
    pub neighbors: usize,
    /// What a user's having an item counts.
    pub weighting: Weighting,
    /// Added to the denominator, so that two items that one user shares are not called alike; at least 0.
    pub shrinkage: f32,
}

impl Default for ItemItemParams {
    fn default() -> Self {
        Self { neighbors: 100, weighting: Weighting::Cosine, shrinkage: 10.0 }
    }
}

/// What a user's having an item counts in the vectors that are compared; x is the user's summed event
/// weight, n the items of the user, N all items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// 1, however often (Sarwar et al., WWW 2001; Deshpande & Karypis, TOIS 2004).
    #[default]
    Cosine,
    /// sqrt(x) ln(N / (1 + n)): what people of few items have in common says more.
    TfIdf,
    /// BM25 with k1 = 1.2 and b = 0.75 over x, with the same logarithm (Robertson & Zaragoza 2009, section
    /// 3.4): repetition saturates, and a popular item's users count less.
    Bm25,
    /// 1 / sqrt(n): the linear part of a graph filter (Shen et al., CIKM 2021, section 4.2).
    Graph,
}

impl Weighting {
    /// Interactions with what each counts as value.
    fn apply(self, interactions: &Csr) -> Csr {
        let n_items = interactions.n_columns() as f32;
        let mut total = vec![0.0f32; interactions.n_columns()];
        for user in 0..interactions.n_rows() {
            let (items, amounts) = interactions.row(user);
            items.iter().zip(amounts).for_each(|(&item, amount)| total[item as usize] += amount);
        }
        let mean = total.iter().sum::<f32>() / n_items.max(1.0);
        interactions.clone().map_cells(|user, item, x| {
            let n = interactions.row(user).0.len() as f32;
            let rarity = (n_items / (1.0 + n)).ln().max(0.0);
            match self {
                Self::Cosine => 1.0,
                Self::TfIdf => x.sqrt() * rarity,
                Self::Bm25 => rarity * x * 2.2 / (1.2 * (0.25 + 0.75 * total[item] / mean) + x),
                Self::Graph => 1.0 / n.sqrt(),
            }
        })
    }
}

impl ItemItemParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(1..=10_000).contains(&self.neighbors) {
            problems.push(bad("neighbors", self.neighbors, "1 to 10000"));
        }
        if !(self.shrinkage.is_finite() && self.shrinkage >= 0.0) {
            problems.push(bad("shrinkage", self.shrinkage, "a finite number not below 0"));
        }
        problems
    }
}

/// Work between two progress reports.
const STEP: usize = 256;

/// For every item its neighbours by the cosine of their users, shrunk: <a, b> / (|a| |b| + shrinkage), a
/// and b holding what each user's having the item counts.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range.
pub fn fit(
    interactions: &Csr,
    params: &ItemItemParams,
    progress: &dyn Progress,
) -> Result<Neighbors, FitError> {
    FitError::check("item_item", params.problems())?;
    let by_user = params.weighting.apply(interactions);
    let by_item = by_user.transpose();
    let n_items = by_item.n_rows();
    progress.begin("item to item", n_items as u64);
    let norm = |item| by_item.row(item).1.iter().map(|x| x * x).sum::<f32>().sqrt();
    let norms: Vec<f32> = (0..n_items).map(norm).collect();
    let ids: Vec<u32> = (0..n_items as u32).collect();
    let lists: Vec<Vec<(f32, ItemId)>> = ids
        .par_chunks(STEP)
        .flat_map_iter(|chunk| {
            let mut common = Common::new(n_items);
            let lists: Vec<_> = chunk
                .iter()
                .map(|&item| {
                    common.count(item, &by_item, &by_user);
                    common.nearest(item, &norms, params)
                })
                .collect();
            progress.advance(chunk.len() as u64);
            lists
        })
        .collect();
    progress.end(&format!("up to {} neighbours for {n_items} items", params.neighbors));
    Ok(Neighbors::new(lists))
}

/// Inner products of other items with one item; the memory is used again for the next.
struct Common {
    products: Vec<f32>,
    touched: Vec<u32>,
}

impl Common {
    fn new(n_items: usize) -> Self {
        Self { products: vec![0.0; n_items], touched: Vec::new() }
    }

    fn count(&mut self, item: u32, by_item: &Csr, by_user: &Csr) {
        let (users, own) = by_item.row(item as usize);
        for (&user, own) in users.iter().zip(own) {
            let (others, theirs) = by_user.row(user as usize);
            for (&other, their) in others.iter().zip(theirs) {
                if self.products[other as usize] == 0.0 {
                    self.touched.push(other);
                }
                self.products[other as usize] += own * their;
            }
        }
    }

    /// The nearest of the items touched; forgets the products.
    fn nearest(&mut self, item: u32, norms: &[f32], params: &ItemItemParams) -> Vec<(f32, ItemId)> {
        let own = norms[item as usize];
        let mut rows = Vec::with_capacity(self.touched.len());
        for other in self.touched.drain(..) {
            // Taken on its first turn; weights of 0 may have touched an item more than once.
            let common = std::mem::take(&mut self.products[other as usize]);
            if other != item && common > 0.0 {
                let similarity = common / (own * norms[other as usize] + params.shrinkage);
                rows.push((similarity, ItemId::new(other)));
            }
        }
        top_k(&mut rows, params.neighbors);
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn equals_the_formula() {
        // Item 0: users 0, 1, 2; item 1: users 0, 1; item 2: user 2; item 3: nobody.
        let cells = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 2)];
        let matrix = Csr::from_entries(3, 4, cells.iter().map(|&(user, item)| (user, item, 5.0)));
        let params = ItemItemParams { shrinkage: 1.0, ..ItemItemParams::default() };
        let neighbors = fit(&matrix, &params, &Silent).unwrap();
        let of_first: Vec<(u32, f32)> =
            neighbors.of(ItemId::new(0)).map(|(item, s)| (item.raw(), s)).collect();
        let (to_1, to_2) = (2.0 / (6f32.sqrt() + 1.0), 1.0 / (3f32.sqrt() + 1.0));
        assert_eq!(of_first, [(1, to_1), (2, to_2)]);
        assert_eq!(neighbors.of(ItemId::new(3)).count(), 0);
    }
}
