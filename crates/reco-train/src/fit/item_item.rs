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
    /// Added to the denominator, so that two items that one user shares are not called alike; at least 0.
    pub shrinkage: f32,
}

impl Default for ItemItemParams {
    fn default() -> Self {
        Self { neighbors: 100, shrinkage: 10.0 }
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

/// For every item its neighbours by the cosine of their users (Sarwar et al., WWW 2001; Deshpande &
/// Karypis, TOIS 2004), shrunk: |common users| / (sqrt(|users of a| |users of b|) + shrinkage).
///
/// Users count once however often they took an item.
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
    let by_item = interactions.transpose();
    let n_items = by_item.n_rows();
    progress.begin("item to item", n_items as u64);
    let n_users: Vec<f32> = (0..n_items).map(|item| by_item.row(item).0.len() as f32).collect();
    let ids: Vec<u32> = (0..n_items as u32).collect();
    let lists: Vec<Vec<(f32, ItemId)>> = ids
        .par_chunks(STEP)
        .flat_map_iter(|chunk| {
            let mut common = Common::new(n_items);
            let lists: Vec<_> = chunk
                .iter()
                .map(|&item| {
                    common.count(item, &by_item, interactions);
                    common.nearest(item, &n_users, params)
                })
                .collect();
            progress.advance(chunk.len() as u64);
            lists
        })
        .collect();
    progress.end(&format!("up to {} neighbours for {n_items} items", params.neighbors));
    Ok(Neighbors::new(lists))
}

/// Users that other items have in common with one item; the memory is used again for the next.
struct Common {
    counts: Vec<u32>,
    touched: Vec<u32>,
}

impl Common {
    fn new(n_items: usize) -> Self {
        Self { counts: vec![0; n_items], touched: Vec::new() }
    }

    fn count(&mut self, item: u32, by_item: &Csr, by_user: &Csr) {
        for &user in by_item.row(item as usize).0 {
            for &other in by_user.row(user as usize).0 {
                if self.counts[other as usize] == 0 {
                    self.touched.push(other);
                }
                self.counts[other as usize] += 1;
            }
        }
    }

    /// The nearest of the items touched; forgets the counts.
    fn nearest(&mut self, item: u32, n_users: &[f32], params: &ItemItemParams) -> Vec<(f32, ItemId)> {
        let own = n_users[item as usize];
        let mut rows = Vec::with_capacity(self.touched.len());
        for other in self.touched.drain(..) {
            let common = std::mem::take(&mut self.counts[other as usize]) as f32;
            if other != item {
                let similarity = common / ((own * n_users[other as usize]).sqrt() + params.shrinkage);
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
