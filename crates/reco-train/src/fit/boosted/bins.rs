//! Values as small numbers: where a tree may divide the rows.

use crate::fit::examples::Examples;
use rayon::prelude::*;

/// Bins of a column, the last of which holds what is missing.
pub(super) const BINS: usize = 256;
/// The bin of what is missing.
pub(super) const MISSING: u8 = 255;

/// More values than these say little more about where to divide.
const MOST_VALUES: usize = 200_000;

/// A feature of some rows.
pub(super) struct Column {
    /// The bin of every row.
    pub(super) bins: Vec<u8>,
    /// The largest value of each bin but the last: a value is in the first bin whose edge it does not pass.
    pub(super) edges: Vec<f32>,
}

impl Column {
    /// The columns of these rows, with about equally many of them in each bin.
    pub(super) fn all(examples: &Examples, columns: &[usize], rows: &[usize]) -> Vec<Self> {
        let of_column = |&column: &usize| Self::new(rows.iter().map(|&row| examples.row(row)[column]));
        columns.par_iter().map(of_column).collect()
    }

    fn new(values: impl ExactSizeIterator<Item = f32> + Clone) -> Self {
        let every = values.len().div_ceil(MOST_VALUES).max(1);
        let edges = edges(values.clone().step_by(every).filter(|value| !value.is_nan()).collect());
        let bin = |value: f32| {
            if value.is_nan() { MISSING } else { edges.partition_point(|&edge| edge < value) as u8 }
        };
        Self { bins: values.map(bin).collect(), edges }
    }

    /// The largest value up to this bin.
    pub(super) fn threshold(&self, bin: u8) -> f32 {
        self.edges.get(usize::from(bin)).copied().unwrap_or(f32::INFINITY)
    }
}

/// Edges between bins of about equally many values, halfway between those that they part.
fn edges(mut values: Vec<f32>) -> Vec<f32> {
    values.sort_unstable_by(f32::total_cmp);
    let most = usize::from(MISSING);
    let mut edges: Vec<f32> = Vec::new();
    let mut first = 0;
    for part in values.chunk_by(|one, other| one >= other) {
        let end = first + part.len();
        let Some(&next) = values.get(end) else { break };
        // A bin ends where its share is full; few distinct values have one each.
        let full = end * most / values.len() > edges.len();
        if full && edges.len() + 1 < most {
            edges.push(between(part[0], next));
        }
        first = end;
    }
    edges
}

/// Halfway, but below the larger one even where there is no number between them.
fn between(low: f32, high: f32) -> f32 {
    let middle = low / 2.0 + high / 2.0;
    if middle >= low && middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bins_keep_the_order_and_thresholds_divide_as_bins_do(
            values in prop::collection::vec(
                prop_oneof![4 => -3.0f32..3.0, 2 => Just(0.5), 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)],
                1..900,
            ),
            bin in 0u8..MISSING,
        ) {
            let column = Column::new(values.iter().copied());
            prop_assert!(column.edges.len() < usize::from(MISSING));
            for (&value, &of_value) in values.iter().zip(&column.bins) {
                prop_assert_eq!(value.is_nan(), of_value == MISSING);
                prop_assert!(value.is_nan() || (value <= column.threshold(bin)) == (of_value <= bin));
            }
        }
    }

    #[test]
    fn few_values_have_a_bin_each_and_many_share_them_evenly() {
        let few = Column::new([3.0, 1.0, 1.0, f32::NAN, 2.0].into_iter());
        assert_eq!((few.bins, few.edges), (vec![2, 0, 0, MISSING, 1], vec![1.5, 2.5]));
        let many = Column::new((0..51_000u16).map(|value| f32::from(value).powi(3)));
        let mut sizes = [0u16; BINS];
        many.bins.iter().for_each(|&bin| sizes[usize::from(bin)] += 1);
        assert!(sizes[..255].iter().all(|size| (190..=210).contains(size)), "{sizes:?}");
    }
}
