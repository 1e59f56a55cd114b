//! A dense row-major matrix, owned or lent.

use serde::{Deserialize, Serialize};

/// As many values as a matrix of this shape does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a matrix of {n_rows} x {n_columns} holds {} values, not {n_values}", *n_rows as u128 * *n_columns as u128)]
pub struct ShapeError {
    /// Rows asked for.
    pub n_rows: usize,
    /// Columns asked for.
    pub n_columns: usize,
    /// Values given.
    pub n_values: usize,
}

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

    /// From row-major values, as many as the shape says; [`try_from_vec`](Self::try_from_vec) takes any.
    ///
    /// # Panics
    ///
    /// Panics when `values` is not `n_rows * n_columns` long.
    pub fn from_vec(n_rows: usize, n_columns: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), n_rows * n_columns, "a matrix of {n_rows} x {n_columns}");
        Self { n_rows, n_columns, values }
    }

    /// From row-major values that come from elsewhere, such as a file.
    ///
    /// ```
    /// use reco_core::linalg::Matrix;
    ///
    /// let vectors = Matrix::try_from_vec(2, 2, vec![1.0, 0.0, 0.0, 1.0])?;
    /// assert_eq!(vectors.row(1), [0.0, 1.0]);
    /// let error = Matrix::try_from_vec(2, 2, vec![1.0]).unwrap_err();
    /// assert_eq!(error.to_string(), "a matrix of 2 x 2 holds 4 values, not 1");
    /// # Ok::<(), reco_core::linalg::ShapeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShapeError`] when `values` is not `n_rows * n_columns` long.
    pub fn try_from_vec(n_rows: usize, n_columns: usize, values: Vec<f32>) -> Result<Self, ShapeError> {
        if n_rows.checked_mul(n_columns) != Some(values.len()) {
            return Err(ShapeError { n_rows, n_columns, n_values: values.len() });
        }
        Ok(Self { n_rows, n_columns, values })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_as_many_values_as_the_shape_says_are_a_matrix() {
        for (n_rows, n_columns, n_values) in [(2, 3, 6), (0, 7, 0), (7, 0, 0)] {
            let matrix = Matrix::try_from_vec(n_rows, n_columns, vec![0.0; n_values]);
            assert_eq!(matrix, Ok(Matrix::zeros(n_rows, n_columns)));
        }
        // A product that wraps around is no length.
        for (n_rows, n_columns, n_values) in [(2, 3, 5), (2, 3, 7), (0, 0, 1), (usize::MAX / 2 + 1, 2, 0)] {
            let refused = Matrix::try_from_vec(n_rows, n_columns, vec![0.0; n_values]);
            assert_eq!(refused, Err(ShapeError { n_rows, n_columns, n_values }));
        }
    }
}
