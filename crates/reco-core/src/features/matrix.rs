//! Features as numbers: a row per candidate, a column per feature.

use super::{Feature, MISSING};
use std::sync::Arc;

/// The features of a candidate set, row-major.
#[derive(Clone, Debug, Default)]
pub struct FeatureMatrix {
    features: Vec<Feature>,
    n_rows: usize,
    values: Vec<f32>,
}

impl FeatureMatrix {
    /// A matrix in which nothing is known yet.
    pub(super) fn new(features: Vec<Feature>, n_rows: usize) -> Self {
        let values = vec![MISSING; features.len() * n_rows];
        Self { features, n_rows, values }
    }

    /// The declarations of its columns.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Number of candidates.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of features.
    pub fn n_columns(&self) -> usize {
        self.features.len()
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of one candidate.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.n_columns()..(row + 1) * self.n_columns()]
    }

    /// The column of a feature by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|feature| &*feature.name == name)
    }

    /// Overwrites the column of a feature, if it is there, with a value per row.
    pub fn overwrite(&mut self, name: &str, values: &[f32]) {
        let Some(column) = self.column(name) else { return };
        let n_columns = self.n_columns();
        let cells = self.values.iter_mut().skip(column).step_by(n_columns);
        cells.zip(values).for_each(|(cell, &value)| *cell = value);
    }

    /// The features named of all rows, row by row: what a model reads that was trained with these.
    ///
    /// # Errors
    ///
    /// The first name that is not there.
    pub fn chosen(&self, names: &[Arc<str>]) -> Result<Vec<f32>, Arc<str>> {
        let columns = self.columns(names)?;
        // Most are neighbours, which are copied at once.
        let runs: Vec<&[usize]> = columns.chunk_by(|left, right| left + 1 == *right).collect();
        let mut rows = Vec::with_capacity(self.n_rows * columns.len());
        for row in 0..self.n_rows {
            let row = self.row(row);
            runs.iter().for_each(|run| rows.extend_from_slice(&row[run[0]..run[0] + run.len()]));
        }
        Ok(rows)
    }

    /// The columns of the features named. Both mostly have the same order.
    fn columns(&self, names: &[Arc<str>]) -> Result<Vec<usize>, Arc<str>> {
        let mut next = 0;
        let place = |name: &Arc<str>| {
            let is_it = |column: &usize| self.features[*column].name == *name;
            let found =
                (next..self.n_columns()).chain(0..next).find(is_it).ok_or_else(|| Arc::clone(name))?;
            next = found + 1;
            Ok(found)
        };
        names.iter().map(place).collect()
    }

    /// Its columns and all values, row by row.
    pub fn into_parts(self) -> (Vec<Feature>, Vec<f32>) {
        (self.features, self.values)
    }

    /// The columns `first..first + width` to fill.
    pub(super) fn block(&mut self, first: usize, width: usize) -> Block<'_> {
        let stride = self.n_columns();
        Block { values: &mut self.values, stride, first, width }
    }

    /// Forgets what is too old to be believed, `age_days` after the snapshot's data ended, and puts defaults in
    /// place of what is missing.
    pub(super) fn settle(&mut self, age_days: f32) {
        let n_columns = self.n_columns();
        for (column, feature) in self.features.iter().enumerate() {
            let is_stale = feature.ttl_days.is_some_and(|ttl| age_days > ttl);
            if !is_stale && feature.default.is_none() {
                continue;
            }
            let default = feature.default.unwrap_or(MISSING);
            for value in self.values.iter_mut().skip(column).step_by(n_columns) {
                if is_stale || value.is_nan() {
                    *value = default;
                }
            }
        }
    }
}

/// Neighbouring columns of a matrix under construction.
#[derive(Debug)]
pub struct Block<'a> {
    values: &'a mut [f32],
    stride: usize,
    first: usize,
    width: usize,
}

impl Block<'_> {
    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The block's part of every row, in the order of the candidates.
    pub fn rows(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let columns = self.first..self.first + self.width;
        // A block without columns may belong to a matrix without any.
        self.values.chunks_exact_mut(self.stride.max(1)).map(move |row| &mut row[columns.clone()])
    }

    /// Gives every row the same values.
    ///
    /// # Panics
    ///
    /// Panics when there are not as many values as columns.
    pub fn fill(&mut self, values: &[f32]) {
        assert_eq!(values.len(), self.width, "a value per column");
        self.rows().for_each(|row| row.copy_from_slice(values));
    }
}
