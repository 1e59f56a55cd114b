//! Inner products as distances: vectors get one more coordinate, s(x) = √(m² - |x|²) where m is the
//! length of the longest, which makes them all equally long. For a query whose further coordinate is 0,
//! the nearest then has the largest inner product (Bachrach et al., RecSys 2014).

use crate::linalg::{Matrix, MatrixView, dot};

/// The rows with their further coordinates.
pub(super) fn lengthened(rows: MatrixView<'_>) -> Matrix {
    let longest = rows.rows().map(|row| dot(row, row)).fold(0.0, f32::max).sqrt();
    let values = rows.rows().flat_map(|row| row.iter().copied().chain([further(dot(row, row), longest)]));
    Matrix::from_vec(rows.n_rows(), rows.n_columns() + 1, values.collect())
}

/// s(x) - m for an x of this squared length, without losing digits where m is far longer than x.
pub(super) fn less_than_longest(square: f32, longest: f32) -> f32 {
    if longest > 0.0 { -square / (longest + further(square, longest)) } else { 0.0 }
}

/// s(x) for an x of this squared length.
fn further(square: f32, longest: f32) -> f32 {
    (longest * longest - square).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_equally_long() {
        let rows = Matrix::from_vec(3, 2, vec![3.0, 4.0, 0.0, 0.0, -1.0, 2.0]);
        let longer = lengthened(rows.view());
        assert_eq!(longer.n_columns(), 3);
        longer.rows().for_each(|row| assert!((dot(row, row) - 25.0).abs() < 1e-5, "{row:?}"));
        assert_eq!(lengthened(Matrix::zeros(2, 1).view()), Matrix::zeros(2, 2));
        assert!((less_than_longest(1e-12, 1e3) + 5e-16).abs() < 1e-20, "digits are kept");
        assert_eq!((less_than_longest(0.0, 0.0), less_than_longest(4.0, 2.0)), (0.0, -2.0));
    }
}
