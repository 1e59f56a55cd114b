//! What all lists together show: how much of the catalogue, how evenly, how novel, how varied.

use rayon::prelude::*;
use reco_core::catalog::Catalog;
use reco_core::id::ItemId;
use reco_core::rerank::attribute_similarity;

/// What the novelty and variety of lists are judged by.
pub(super) struct Exposure<'a> {
    pub(super) catalog: &'a Catalog,
    /// Distinct training users per item.
    pub(super) n_users_of: &'a [f32],
    /// Training users.
    pub(super) n_users: usize,
}

impl Exposure<'_> {
    /// Names and values over the first `k` places of all lists.
    ///
    /// Novelty is the mean self-information -log2 p(i) of the places shown, with p the share of training users
    /// who had the item (Vargas & Castells, RecSys 2011); an item nobody had counts as had by half a user.
    /// Diversity is one minus the mean attribute similarity of a list's pairs, averaged over lists of at least
    /// two items; NaN when there is no such list or the catalogue knows no attributes to compare.
    pub(super) fn at(&self, k: usize, lists: &[Vec<ItemId>]) -> [(&'static str, f64); 4] {
        let mut shown = vec![0u32; self.catalog.len()];
        for id in lists.iter().flat_map(|list| list.iter().take(k)) {
            shown[id.index()] += 1;
        }
        [
            ("coverage", coverage(&shown)),
            ("gini", gini(&shown)),
            ("novelty", self.novelty(&shown)),
            ("diversity", self.diversity(k, lists)),
        ]
    }

    /// How the first `k` places of all lists fall on the items by popularity: the share of each tenth of the
    /// catalogue, the most popular tenth first.
    pub(super) fn deciles(&self, k: usize, lists: &[Vec<ItemId>]) -> [f64; 10] {
        deciles(self.n_users_of, lists.iter().flat_map(|list| list.iter().take(k)).copied())
    }

    fn novelty(&self, shown: &[u32]) -> f64 {
        let n_users = self.n_users.max(1) as f64;
        let surprise = |had_by: f32| -(f64::from(had_by.max(0.5)) / n_users).log2();
        let total: u64 = shown.iter().map(|&count| u64::from(count)).sum();
        let sum: f64 =
            shown.iter().zip(self.n_users_of).map(|(&count, &had)| f64::from(count) * surprise(had)).sum();
        if total == 0 { 0.0 } else { sum / total as f64 }
    }

    fn diversity(&self, k: usize, lists: &[Vec<ItemId>]) -> f64 {
        if !has_attributes(self.catalog) {
            return f64::NAN;
        }
        let spreads: Vec<Option<f64>> =
            lists.par_iter().map(|list| spread(&list[..k.min(list.len())], self.catalog)).collect();
        // Summed in order, so that the number of threads does not show.
        let spreads: Vec<f64> = spreads.into_iter().flatten().collect();
        spreads.iter().sum::<f64>() / spreads.len() as f64
    }
}

fn has_attributes(catalog: &Catalog) -> bool {
    let labels = [catalog.category(), catalog.subcategory(), catalog.brand()];
    catalog.ids().any(|id| {
        labels.iter().any(|column| column.code(id).is_some()) || !catalog.tags().codes(id).is_empty()
    })
}

/// One minus the mean similarity of a list's pairs.
fn spread(list: &[ItemId], catalog: &Catalog) -> Option<f64> {
    let pairs = list.iter().enumerate().flat_map(|(i, &a)| list[i + 1..].iter().map(move |&b| (a, b)));
    let n_pairs = list.len() * list.len().saturating_sub(1) / 2;
    let alike: f64 = pairs.map(|(a, b)| f64::from(attribute_similarity(catalog, a, b))).sum();
    (n_pairs > 0).then(|| 1.0 - alike / n_pairs as f64)
}

/// The share of these items in each tenth of all items, the most popular tenth first; of equally popular ones the
/// first by number counts as more popular. Items that nobody has a number of users of fall into the last tenth.
pub(super) fn deciles(n_users_of: &[f32], items: impl Iterator<Item = ItemId>) -> [f64; 10] {
    let mut order: Vec<usize> = (0..n_users_of.len()).collect();
    order.sort_by(|&a, &b| n_users_of[b].total_cmp(&n_users_of[a]).then(a.cmp(&b)));
    let mut decile = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, &item)| decile[item] = place * 10 / n_users_of.len());
    let (mut counts, mut total) = ([0.0; 10], 0.0);
    for item in items {
        counts[decile.get(item.index()).copied().unwrap_or(9)] += 1.0;
        total += 1.0;
    }
    counts.map(|count| if total > 0.0 { count / total } else { 0.0 })
}

/// Share of the catalogue that appears in any list, from how often each item does.
pub fn coverage(exposures: &[u32]) -> f64 {
    let shown = exposures.iter().filter(|&&count| count > 0).count();
    if exposures.is_empty() { 0.0 } else { shown as f64 / exposures.len() as f64 }
}

/// Gini coefficient of the exposures: 0 when all items are shown alike, towards 1 when few get everything.
pub fn gini(exposures: &[u32]) -> f64 {
    let mut sorted = exposures.to_vec();
    sorted.sort_unstable();
    let (n, total) = (sorted.len() as f64, sorted.iter().map(|&count| f64::from(count)).sum::<f64>());
    if total == 0.0 {
        return 0.0;
    }
    let ranked: f64 =
        sorted.iter().zip(1u32..).map(|(&count, rank)| f64::from(rank) * f64::from(count)).sum();
    (2.0 * ranked) / (n * total) - (n + 1.0) / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reco_core::catalog::ItemRecord;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    fn catalog(categories: &[Option<&str>]) -> Catalog {
        let mut builder = Catalog::builder();
        for (category, key) in categories.iter().zip(0..) {
            let category = category.map(str::to_owned);
            let record = ItemRecord { key: key.to_string(), category, ..ItemRecord::default() };
            builder.push(record).expect("a new item");
        }
        builder.build()
    }

    fn ids<const N: usize>(ids: [u32; N]) -> Vec<ItemId> {
        ids.map(ItemId::new).into()
    }

    #[test]
    fn equals_hand_computed_values() {
        let catalog = catalog(&[Some("a"), Some("a"), Some("b"), Some("b")]);
        let exposure = Exposure { catalog: &catalog, n_users_of: &[8.0, 2.0, 1.0, 0.0], n_users: 8 };
        let lists = [ids([0, 1, 2]), ids([0, 2]), ids([0])];
        let [coverage, gini, novelty, diversity] = exposure.at(2, &lists).map(|(_, value)| value);
        close(coverage, 0.75);
        // Shown 3, 1, 1 and 0 times.
        close(gini, 2.0 * (2.0 + 3.0 + 12.0) / (4.0 * 5.0) - 1.25);
        close(novelty, (0.0 * 3.0 + 2.0 + 3.0) / 5.0);
        // The first list is all of one category, the second of two, the third has no pair.
        close(diversity, 0.5);
        close(exposure.at(3, &[ids([3])])[2].1, 4.0);
    }

    #[test]
    fn deciles_count_places_by_popularity() {
        let n_users_of: Vec<f32> = (0..20).map(|item| f32::from(item as u8)).collect();
        let shown = deciles(&n_users_of, ids([19, 18, 17, 0, 99]).into_iter());
        let expected = [0.4, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.4];
        shown.into_iter().zip(expected).for_each(|(share, expected)| close(share, expected));
        assert_eq!(
            deciles(&[1.0; 3], ids([0, 1, 2]).into_iter()).iter().filter(|share| **share > 0.0).count(),
            3
        );
        assert!(deciles(&[], ids([]).into_iter()).iter().all(|share| share.abs() < 1e-12));
    }

    #[test]
    fn without_attributes_there_is_no_diversity_to_speak_of() {
        let catalog = catalog(&[None, None]);
        let exposure = Exposure { catalog: &catalog, n_users_of: &[1.0, 1.0], n_users: 1 };
        assert!(exposure.at(2, &[ids([0, 1])])[3].1.is_nan());
    }

    #[test]
    fn gini_and_coverage_know_their_extremes() {
        close(gini(&[1, 1, 1, 1]), 0.0);
        close(gini(&[0, 0, 0, 4]), 0.75);
        close(gini(&[]), 0.0);
        close(coverage(&[0, 3, 0, 1]), 0.5);
        close(coverage(&[]), 0.0);
    }

    proptest! {
        #[test]
        fn gini_is_that_of_all_pairwise_differences(exposures in prop::collection::vec(0u32..9, 1..20)) {
            let total: f64 = exposures.iter().map(|&count| f64::from(count)).sum();
            let differences: f64 = exposures
                .iter()
                .flat_map(|&a| exposures.iter().map(move |&b| f64::from(a.abs_diff(b))))
                .sum();
            let expected = if total == 0.0 { 0.0 } else { differences / (2.0 * exposures.len() as f64 * total) };
            prop_assert!((gini(&exposures) - expected).abs() < 1e-9);
        }
    }
}
