//! A dense row-major matrix, owned or lent.

use serde::{Deserialize, Serialize};

/// Dense f32, row-major: one row per item or user, one column per factor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    n_rows: usize,
    n_columns: usize,
    values: Vec<f32>,
}

/// The same, with values that someone else owns.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    n_rows: usize,
    n_columns: usize,
    values: &'a [f32],
}

impl Matrix {
    /// All zero.
    pub fn zeros(n_rows: usize, n_columns: usize) -> Self {
        Self { n_rows, n_columns, values: vec![0.0; n_rows * n_columns] }
    }

    /// From row-major values.
    ///
    /// # Panics
    ///
    /// Panics when `values` is not `n_rows * n_columns` long.
    pub fn from_vec(n_rows: usize, n_columns: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), n_rows * n_columns, "a matrix of {n_rows} x {n_columns}");
        Self { n_rows, n_columns, values }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.n_columns..][..self.n_columns]
    }

    /// One row, to write.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.n_columns..][..self.n_columns]
    }

    /// All rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        // A matrix without columns still has rows; chunks of length 0 are not allowed.
        (0..self.n_rows).map(|row| self.row(row))
    }

    /// The same, lent.
    pub fn view(&self) -> MatrixView<'_> {
        MatrixView { n_rows: self.n_rows, n_columns: self.n_columns, values: &self.values }
    }

    /// The values, row-major.
    pub fn into_vec(self) -> Vec<f32> {
        self.values
    }

    /// All values, row-major.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }

    /// All values, row-major, to write.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Whether every value is finite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

impl<'a> MatrixView<'a> {
    /// From row-major values.
    ///
    /// # Panics
    ///
    /// Panics when `values` is not `n_rows * n_columns` long.
    pub fn new(n_rows: usize, n_columns: usize, values: &'a [f32]) -> Self {
        assert_eq!(values.len(), n_rows * n_columns, "a matrix of {n_rows} x {n_columns}");
        Self { n_rows, n_columns, values }
    }

    /// Number of rows.
    pub fn n_rows(self) -> usize {
        self.n_rows
    }

    /// Number of columns.
    pub fn n_columns(self) -> usize {
        self.n_columns
    }

    /// One row.
    pub fn row(self, row: usize) -> &'a [f32] {
        &self.values[row * self.n_columns..][..self.n_columns]
    }

    /// All rows in order.
    pub fn rows(self) -> impl ExactSizeIterator<Item = &'a [f32]> + Clone {
        (0..self.n_rows).map(move |row| self.row(row))
    }

    /// All values, row-major.
    pub fn as_slice(self) -> &'a [f32] {
        self.values
    }
}

impl<'a> From<&'a Matrix> for MatrixView<'a> {
    fn from(matrix: &'a Matrix) -> Self {
        matrix.view()
    }
}
