//! The candidate set: items under consideration as columns, one row per item.

use crate::id::ItemId;
use std::cmp::Ordering;
use std::sync::Arc;

/// Where one generator placed an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceHit {
    /// Position in the generator's list, 0 for the best.
    pub rank: u32,
    /// The generator's own score; comparable only within that generator.
    pub score: f32,
}

/// Scored items of one generator or one index search, best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    /// Items, best first.
    pub ids: Vec<ItemId>,
    /// Their scores.
    pub scores: Vec<f32>,
}

impl Hits {
    /// Appends one hit.
    pub fn push(&mut self, id: ItemId, score: f32) {
        self.ids.push(id);
        self.scores.push(score);
    }

    /// Number of hits.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True without hits.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Forgets all hits and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.scores.clear();
    }

    /// Item and score pairs, best first.
    pub fn iter(&self) -> impl Iterator<Item = (ItemId, f32)> + '_ {
        self.ids.iter().copied().zip(self.scores.iter().copied())
    }

    /// Sorts by descending score, drops what is not finite and keeps the best `k`.
    pub fn keep_top(&mut self, k: usize) {
        let mut rows: Vec<(f32, ItemId)> =
            self.iter().filter(|(_, score)| score.is_finite()).map(|(id, score)| (score, id)).collect();
        top_k(&mut rows, k);
        self.clear();
        rows.into_iter().for_each(|(score, id)| self.push(id, score));
    }
}

/// Keeps the `k` best of `rows` in descending order; ties go to the smaller id.
pub fn top_k(rows: &mut Vec<(f32, ItemId)>, k: usize) {
    let best_first = |a: &(f32, ItemId), b: &(f32, ItemId)| by_score(a.0, b.0).then(a.1.cmp(&b.1));
    if k == 0 {
        rows.clear();
        return;
    }
    if k < rows.len() {
        rows.select_nth_unstable_by(k - 1, best_first);
        rows.truncate(k);
    }
    rows.sort_unstable_by(best_first);
}

/// Descending order in which everything that is not finite comes last.
pub fn by_score(a: f32, b: f32) -> Ordering {
    let sink = |score: f32| if score.is_finite() { score } else { f32::NEG_INFINITY };
    sink(b).total_cmp(&sink(a))
}

/// Items under consideration, as columns of equal length, with the rank and
/// score that every source gave to every item it proposed, and what it thinks of those that others proposed.
///
/// Invariant: all columns have the same number of rows; rows only enter
/// through the merge of the generators' lists, so an item never stands in two rows.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    ids: Vec<ItemId>,
    scores: Vec<f32>,
    /// Row-major, `sources.len()` cells a row.
    hits: Vec<Option<SourceHit>>,
    /// Cells like those of `hits`, no number where a source has nothing to say; empty before any was asked.
    assessments: Vec<f32>,
    sources: Arc<[Arc<str>]>,
    is_all: bool,
}

impl Candidates {
    /// An empty set fed by these named sources.
    pub fn new(sources: Arc<[Arc<str>]>) -> Self {
        Self { sources, ..Self::default() }
    }

    /// Names of the sources; the position is the number used below.
    pub fn sources(&self) -> &Arc<[Arc<str>]> {
        &self.sources
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The id column.
    pub fn ids(&self) -> &[ItemId] {
        &self.ids
    }

    /// The score column.
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// The score column, to overwrite.
    pub fn scores_mut(&mut self) -> &mut [f32] {
        &mut self.scores
    }

    /// Where `source` placed the item in `row`, if it proposed it.
    pub fn hit(&self, row: usize, source: usize) -> Option<SourceHit> {
        self.hits[row * self.sources.len() + source]
    }

    /// One cell per source for `row`.
    pub fn hits(&self, row: usize) -> &[Option<SourceHit>] {
        let width = self.sources.len();
        &self.hits[row * width..(row + 1) * width]
    }

    /// What `source` thinks of the item in `row`, in the unit of its hits, if it was asked about candidates that
    /// others proposed and could tell. Of a source that has an assessment of any row, the assessments are all
    /// that it has to say, and its hits are among them.
    pub fn assessment(&self, row: usize, source: usize) -> Option<f32> {
        let cell = self.assessments.get(row * self.sources.len() + source);
        cell.copied().filter(|score| score.is_finite())
    }

    /// Rows of what any source proposed.
    pub(crate) fn proposed(&self) -> Vec<u32> {
        let is_proposed = |row: &u32| self.hits(*row as usize).iter().any(Option::is_some);
        (0..self.len() as u32).filter(is_proposed).collect()
    }

    /// Notes what `source` thinks of these rows, a score each; its own hits stand where it has nothing to say.
    pub(crate) fn assess(&mut self, source: usize, rows: &[u32], scores: &[f32]) {
        if !scores.iter().any(|score| score.is_finite()) {
            return;
        }
        let width = self.sources.len();
        self.assessments.resize(self.hits.len(), f32::NAN);
        for row in 0..self.len() {
            self.assessments[row * width + source] = self.hit(row, source).map_or(f32::NAN, |hit| hit.score);
        }
        for (&row, &score) in rows.iter().zip(scores).filter(|(_, score)| score.is_finite()) {
            self.assessments[row as usize * width + source] = score;
        }
    }

    /// Whether there is nothing more to choose from: what a rule takes out now, nothing replaces.
    pub fn is_all(&self) -> bool {
        self.is_all
    }

    /// Notes that nothing more can be found.
    pub(crate) fn mark_all(&mut self) {
        self.is_all = true;
    }

    /// Appends a row for an item that is not in the set yet and returns its number.
    pub(crate) fn append(&mut self, id: ItemId, score: f32) -> usize {
        self.ids.push(id);
        self.scores.push(score);
        self.hits.resize(self.ids.len() * self.sources.len(), None);
        if !self.assessments.is_empty() {
            self.assessments.resize(self.hits.len(), f32::NAN);
        }
        self.ids.len() - 1
    }

    /// Notes that `source` proposed the item in `row` and adds `gain` to its score.
    pub(crate) fn propose(&mut self, row: usize, source: usize, hit: SourceHit, gain: f32) {
        self.hits[row * self.sources.len() + source] = Some(hit);
        self.scores[row] += gain;
    }

    /// Drops the rows that `keep` does not keep; the order stays.
    ///
    /// # Panics
    ///
    /// Panics when `keep` is not as long as this set.
    pub fn retain(&mut self, keep: &KeepMask) {
        assert_eq!(keep.len(), self.len(), "mask and set differ in length");
        let rows: Vec<u32> = (0..self.len() as u32).filter(|&row| keep.is_kept(row as usize)).collect();
        self.select(&rows);
    }

    /// Sorts by descending score. Scores that are not finite sort last; equal
    /// scores are ordered by id, so that the result never depends on the input order.
    pub fn sort(&mut self) {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| {
            let (a, b) = (a as usize, b as usize);
            by_score(self.scores[a], self.scores[b]).then(self.ids[a].cmp(&self.ids[b]))
        });
        self.select(&order);
    }

    /// Sorts by descending score like [`sort`](Self::sort), but equal scores keep the order they have.
    pub(crate) fn sort_stably(&mut self) {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_by(|&a, &b| by_score(self.scores[a as usize], self.scores[b as usize]));
        self.select(&order);
    }

    /// Keeps the first `n` rows.
    pub fn truncate(&mut self, n: usize) {
        self.ids.truncate(n);
        self.scores.truncate(n);
        self.hits.truncate(n * self.sources.len());
        self.assessments.truncate(n * self.sources.len());
    }

    /// Rearranges the set to exactly `rows`, in that order; rows not named are dropped.
    ///
    /// # Panics
    ///
    /// Panics when a row is out of range or named twice.
    pub fn select(&mut self, rows: &[u32]) {
        let mut seen = vec![false; self.len()];
        for &row in rows {
            assert!(!std::mem::replace(&mut seen[row as usize], true), "row {row} is named twice");
        }
        let mut next = Self { is_all: self.is_all, ..Self::new(Arc::clone(&self.sources)) };
        next.ids.extend(rows.iter().map(|&row| self.ids[row as usize]));
        next.scores.extend(rows.iter().map(|&row| self.scores[row as usize]));
        next.hits.reserve(rows.len() * self.sources.len());
        rows.iter().for_each(|&row| next.hits.extend_from_slice(self.hits(row as usize)));
        if !self.assessments.is_empty() {
            let width = self.sources.len();
            let cells = |row: u32| &self.assessments[row as usize * width..(row as usize + 1) * width];
            next.assessments.reserve(next.hits.len());
            rows.iter().for_each(|&row| next.assessments.extend_from_slice(cells(row)));
        }
        *self = next;
    }
}

/// One cell per candidate; filters can only clear cells, and say why.
#[derive(Clone, Debug)]
pub struct KeepMask {
    dropped: Vec<Option<DropCode>>,
}

/// A filter's own number for a reason; the filter turns it into words.
pub type DropCode = u8;

impl KeepMask {
    /// Keeps all `len` rows.
    pub fn all(len: usize) -> Self {
        Self { dropped: vec![None; len] }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.dropped.len()
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty()
    }

    /// Drops row `row`; the first reason given stands.
    pub fn drop_row(&mut self, row: usize, code: DropCode) {
        self.dropped[row].get_or_insert(code);
    }

    /// Whether row `row` is still kept.
    pub fn is_kept(&self, row: usize) -> bool {
        self.dropped[row].is_none()
    }

    /// Why row `row` was dropped, if it was.
    pub fn reason(&self, row: usize) -> Option<DropCode> {
        self.dropped[row]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(scores: &[f32]) -> Candidates {
        let mut set = Candidates::new([Arc::from("only")].into());
        for (i, &score) in scores.iter().enumerate() {
            let row = set.append(ItemId::new(i as u32), 0.0);
            set.propose(row, 0, SourceHit { rank: i as u32, score }, score);
        }
        set
    }

    #[test]
    fn what_is_not_finite_sinks() {
        let mut candidates = set(&[f32::NAN, 1.0, f32::INFINITY, -3.0, f32::NEG_INFINITY]);
        candidates.sort();
        assert_eq!(candidates.ids()[..2], [1, 3].map(ItemId::new));
    }

    #[test]
    fn hits_travel_with_their_rows() {
        let mut candidates = set(&[0.5, 2.0, 1.0]);
        candidates.sort();
        assert_eq!(candidates.hit(0, 0), Some(SourceHit { rank: 1, score: 2.0 }));
        let mut keep = KeepMask::all(3);
        keep.drop_row(0, 7);
        keep.drop_row(0, 8);
        assert_eq!(keep.reason(0), Some(7));
        candidates.retain(&keep);
        assert_eq!(candidates.ids(), [2, 0].map(ItemId::new));
        assert_eq!(candidates.hit(0, 0), Some(SourceHit { rank: 2, score: 1.0 }));
    }

    #[test]
    fn assessments_travel_with_their_rows_and_hits_stand_for_what_is_missing() {
        let mut candidates = set(&[0.5, 2.0, 1.0]);
        candidates.assess(0, &[0, 1, 2], &[f32::NAN; 3]);
        assert_eq!(candidates.assessment(0, 0), None, "it can tell nothing");
        candidates.assess(0, &[2, 0], &[7.0, f32::NAN]);
        let filler = candidates.append(ItemId::new(9), -9.0);
        assert_eq!(candidates.assessment(filler, 0), None);
        candidates.sort();
        candidates.truncate(3);
        let told = |set: &Candidates| (0..set.len()).map(|row| set.assessment(row, 0)).collect::<Vec<_>>();
        assert_eq!(told(&candidates), [Some(2.0), Some(7.0), Some(0.5)]);
        let mut keep = KeepMask::all(3);
        keep.drop_row(0, 1);
        candidates.retain(&keep);
        assert_eq!(told(&candidates), [Some(7.0), Some(0.5)]);
    }

    proptest! {
        #[test]
        fn top_k_is_the_sorted_prefix(
            scores in prop::collection::vec(prop_oneof![9 => -5.0f32..5.0, 1 => Just(f32::NAN)], 0..200),
            k in 0usize..220,
        ) {
            let rows: Vec<_> = scores.iter().enumerate().map(|(i, &s)| (s, ItemId::new(i as u32))).collect();
            let ids = |k| { let mut rows = rows.clone(); top_k(&mut rows, k); rows.into_iter().map(|row| row.1).collect::<Vec<_>>() };
            prop_assert_eq!(&ids(k)[..], &ids(usize::MAX)[..k.min(scores.len())]);
        }
    }
}
