//! Ranking metrics of one user's list.

/// Metrics at one cut-off, with binary relevance.
///
/// The definitions are those of trec_eval and ranx: precision divides by k, recall and average precision by
/// the number of relevant items, and the ideal of NDCG has min(k, relevant) hits (Järvelin & Kekäläinen 2002).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Whether any of the first k is relevant.
    pub hit_rate: f64,
    /// Relevant among the first k / k.
    pub precision: f64,
    /// Relevant among the first k / all relevant.
    pub recall: f64,
    /// Discounted gain / that of an ideal list; discount 1 / log2(1 + rank).
    pub ndcg: f64,
    /// Mean of the precision at every hit within the first k, over all relevant.
    pub average_precision: f64,
    /// 1 / rank of the first hit within the first k.
    pub reciprocal_rank: f64,
}

impl Metrics {
    /// Number of metrics.
    pub const N: usize = 6;

    /// Names and values, in a fixed order.
    pub fn named(&self) -> [(&'static str, f64); Self::N] {
        [
            ("hr", self.hit_rate),
            ("ndcg", self.ndcg),
            ("recall", self.recall),
            ("precision", self.precision),
            ("map", self.average_precision),
            ("mrr", self.reciprocal_rank),
        ]
    }

    /// Of candidates ranked by descending score, of equals the first first.
    pub(crate) fn of_scores(k: usize, scores: &[f32], is_relevant: &[bool], n_relevant: usize) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let hits: Vec<bool> = order.iter().take(k).map(|&row| is_relevant[row]).collect();
        Self::at(k, &hits, n_relevant)
    }

    /// Of a ranking given as whether each place is relevant, best first.
    pub fn at(k: usize, hits: &[bool], n_relevant: usize) -> Self {
        let (mut found, mut gain, mut precisions, mut first) = (0usize, 0.0, 0.0, 0.0);
        for (place, _) in hits.iter().take(k).enumerate().filter(|(_, hit)| **hit) {
            found += 1;
            gain += discount(place);
            precisions += found as f64 / (place + 1) as f64;
            if found == 1 {
                first = 1.0 / (place + 1) as f64;
            }
        }
        let ideal: f64 = (0..k.min(n_relevant)).map(discount).sum();
        let per_relevant = |sum: f64| if n_relevant == 0 { 0.0 } else { sum / n_relevant as f64 };
        Self {
            hit_rate: f64::from(u8::from(found > 0)),
            precision: if k == 0 { 0.0 } else { found as f64 / k as f64 },
            recall: per_relevant(found as f64),
            ndcg: if ideal > 0.0 { gain / ideal } else { 0.0 },
            average_precision: per_relevant(precisions),
            reciprocal_rank: first,
        }
    }
}

fn discount(place: usize) -> f64 {
    1.0 / (place as f64 + 2.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equals_hand_computed_values() {
        let metrics = Metrics::at(4, &[false, true, false, true, true], 3);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        close(metrics.hit_rate, 1.0);
        close(metrics.precision, 0.5);
        close(metrics.recall, 2.0 / 3.0);
        close(metrics.average_precision, (0.5 + 0.5) / 3.0);
        close(metrics.reciprocal_rank, 0.5);
        let ideal = 1.0 + 1.0 / 3f64.log2() + 0.5;
        close(metrics.ndcg, (1.0 / 3f64.log2() + 1.0 / 5f64.log2()) / ideal);
        assert_eq!(Metrics::at(5, &[false; 9], 2), Metrics::default());
    }

    proptest! {
        #[test]
        fn metrics_stay_within_bounds(hits in prop::collection::vec(any::<bool>(), 0..40), extra in 0usize..5, k in 1usize..30) {
            let n_relevant = hits.iter().filter(|hit| **hit).count() + extra;
            for (name, value) in Metrics::at(k, &hits, n_relevant).named() {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&value), "{} is {}", name, value);
            }
        }

        #[test]
        fn a_perfect_ranking_is_worth_one(n_relevant in 1usize..20, misses in 0usize..5) {
            let hits = [vec![true; n_relevant], vec![false; misses]].concat();
            for (name, value) in Metrics::at(n_relevant, &hits, n_relevant).named() {
                prop_assert!((value - 1.0).abs() < 1e-12, "{} is {}", name, value);
            }
        }

        #[test]
        fn moving_a_hit_up_never_hurts(mut hits in prop::collection::vec(any::<bool>(), 2..20), at in 1usize..19, k in 1usize..20) {
            let at = at.min(hits.len() - 1);
            let n_relevant = hits.iter().filter(|hit| **hit).count();
            let before = Metrics::at(k, &hits, n_relevant).named();
            if hits[at] && !hits[at - 1] {
                hits.swap(at - 1, at);
            }
            let after = Metrics::at(k, &hits, n_relevant).named();
            for ((name, before), (_, after)) in before.into_iter().zip(after) {
                prop_assert!(after >= before - 1e-12, "{} fell from {} to {}", name, before, after);
            }
        }

        #[test]
        fn what_stands_behind_the_cut_does_not_matter(hits in prop::collection::vec(any::<bool>(), 0..30), k in 1usize..30) {
            let shown = &hits[..k.min(hits.len())];
            prop_assert_eq!(Metrics::at(k, &hits, 30), Metrics::at(k, shown, 30));
        }
    }
}
