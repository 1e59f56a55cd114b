//! Lists of candidates to learn weights from.

use reco_core::linalg::dot;
use std::borrow::Cow;

/// Lists to learn from: one candidate a row, its features side by side.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    pub(super) features: Vec<f32>,
    pub(super) n_features: usize,
    pub(super) bounds: Vec<Bounds>,
}

/// One user's candidates: rows `start..end`, the first `n_relevant` of them relevant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) n_relevant: usize,
}

impl Lists {
    /// No lists yet, of candidates with this many features.
    pub fn new(n_features: usize) -> Self {
        Self { n_features, ..Self::default() }
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.bounds.len()
    }

    /// Number of features of a candidate.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// True without lists.
    pub fn is_empty(&self) -> bool {
        self.bounds.is_empty()
    }

    /// Appends a list, `features` row after row, the first `n_relevant` rows being what the user took. A list
    /// in which all or none are relevant teaches nothing and is left out.
    ///
    /// # Panics
    ///
    /// Panics when `features` is not made of whole rows.
    pub fn push(&mut self, features: &[f32], n_relevant: usize) {
        assert_eq!(features.len() % self.n_features, 0, "rows of {} features", self.n_features);
        let n_rows = features.len() / self.n_features;
        if n_relevant == 0 || n_relevant >= n_rows {
            return;
        }
        let start = self.features.len() / self.n_features;
        self.features.extend_from_slice(features);
        self.bounds.push(Bounds { start, end: start + n_rows, n_relevant });
    }

    /// The same lists with these features alone, in their order.
    pub(super) fn only(&self, features: &[usize]) -> Cow<'_, Self> {
        if features.iter().copied().eq(0..self.n_features) {
            return Cow::Borrowed(self);
        }
        let rows = self.features.chunks_exact(self.n_features);
        Cow::Owned(Self {
            features: rows.flat_map(|row| features.iter().map(|&feature| row[feature])).collect(),
            n_features: features.len(),
            bounds: self.bounds.clone(),
        })
    }

    /// Every other list, from the first (0) or the second (1).
    pub(super) fn every_other(&self, first: usize) -> Self {
        let mut half = Self::new(self.n_features);
        for list in self.bounds.iter().skip(first).step_by(2) {
            half.push(
                &self.features[list.start * self.n_features..list.end * self.n_features],
                list.n_relevant,
            );
        }
        half
    }

    /// NDCG@10 of each of the lists as `weights` order them.
    pub(super) fn ndcg(&self, weights: &[f32]) -> impl Iterator<Item = f64> {
        const DEEPEST: usize = 10;
        let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
        let of_list = move |list: &Bounds| {
            let rows = self.ordered(list, weights);
            let hits = rows.iter().take(DEEPEST).zip(0..).filter(|(row, _)| **row < list.n_relevant);
            let ideal: f64 = (0..list.n_relevant.min(DEEPEST)).map(gain).sum();
            hits.map(|(_, rank)| gain(rank)).sum::<f64>() / ideal
        };
        self.bounds.iter().map(of_list)
    }

    /// The same lists, each cut down to the `most` rows that `weights` score highest.
    pub(super) fn hardest(&self, weights: &[f32], most: usize) -> Self {
        let mut hardest = Self::new(self.n_features);
        for list in &self.bounds {
            let mut rows = self.ordered(list, weights);
            rows.truncate(most);
            rows.sort_unstable();
            let n_relevant = rows.iter().filter(|row| **row < list.n_relevant).count();
            let features = rows
                .iter()
                .flat_map(|&row| self.rows(list.start + row, list.start + row + 1).flatten().copied());
            hardest.push(&features.collect::<Vec<_>>(), n_relevant);
        }
        hardest
    }

    /// The rows of a list, counted from its first, as `weights` order them; of ties what was taken comes last, so
    /// that weights which tell nothing apart look as bad as they are.
    fn ordered(&self, list: &Bounds, weights: &[f32]) -> Vec<usize> {
        let scores: Vec<f32> = self.rows(list.start, list.end).map(|row| dot(row, weights)).collect();
        let mut rows: Vec<usize> = (0..scores.len()).collect();
        rows.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(b.cmp(&a)));
        rows
    }

    pub(super) fn rows(&self, start: usize, end: usize) -> impl ExactSizeIterator<Item = &[f32]> {
        self.features[start * self.n_features..end * self.n_features].chunks_exact(self.n_features)
    }
}
