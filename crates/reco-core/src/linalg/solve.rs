//! Symmetric positive definite systems: Cholesky and conjugate gradients.

use super::cholesky::factor;
use super::{axpy, dot};

/// The system has no unique solution, or rounding hides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the matrix is not positive definite at row {row}; more regularisation would make it so")]
pub struct NotPositiveDefinite {
    /// Where the factorisation stopped.
    pub row: usize,
}

/// The Cholesky factor U of a symmetric positive definite A = U^T U, row-major upper triangle.
#[derive(Clone, Debug)]
pub struct Spd {
    n: usize,
    upper: Vec<f32>,
}

impl Spd {
    /// Factors A in place; only its upper triangle is read.
    ///
    /// # Errors
    ///
    /// [`NotPositiveDefinite`] when A is not, also when it holds NaN.
    ///
    /// # Panics
    ///
    /// Panics when `a` is not `n * n` long.
    pub fn factor(n: usize, mut a: Vec<f32>) -> Result<Self, NotPositiveDefinite> {
        factor(n, &mut a).map_err(|row| NotPositiveDefinite { row })?;
        Ok(Self { n, upper: a })
    }

    /// The factor's memory, to use again.
    pub fn into_inner(self) -> Vec<f32> {
        self.upper
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.upper[i * self.n..][..self.n]
    }

    /// Replaces b by U^-T b.
    pub fn solve_transposed(&self, b: &mut [f32]) {
        for i in 0..self.n {
            let row = self.row(i);
            let (done, left) = b.split_at_mut(i + 1);
            done[i] /= row[i];
            axpy(-done[i], &row[i + 1..], left);
        }
    }

    /// Replaces b by A^-1 b.
    pub fn solve(&self, b: &mut [f32]) {
        self.solve_transposed(b);
        for i in (0..self.n).rev() {
            let row = self.row(i);
            b[i] = (b[i] - dot(&row[i + 1..], &b[i + 1..])) / row[i];
        }
    }
}

/// Solves A x = b for symmetric positive definite A given as `apply(v, A v)`, starting from `x`,
/// until the residual is `tolerance` times |b| or `max_steps` are done; or until rounding shows an A
/// that is not positive definite, with what is found by then. Returns the steps taken.
///
/// Hestenes & Stiefel 1952; needs no matrix, only its products.
pub fn conjugate_gradient(
    apply: impl Fn(&[f32], &mut [f32]),
    b: &[f32],
    x: &mut [f32],
    tolerance: f32,
    max_steps: usize,
) -> usize {
    let n = b.len();
    let mut product = vec![0.0; n];
    apply(x, &mut product);
    let mut residual: Vec<f32> = b.iter().zip(&product).map(|(b, ax)| b - ax).collect();
    let mut direction = residual.clone();
    let mut square = dot(&residual, &residual);
    let enough = tolerance * tolerance * dot(b, b);
    for step in 0..max_steps {
        if square <= enough || square == 0.0 {
            return step;
        }
        product.fill(0.0);
        apply(&direction, &mut product);
        let curvature = dot(&direction, &product);
        if curvature.is_nan() || curvature <= 0.0 {
            return step;
        }
        let length = square / curvature;
        axpy(length, &direction, x);
        axpy(-length, &product, &mut residual);
        let next = dot(&residual, &residual);
        let keep = next / square;
        direction.iter_mut().zip(&residual).for_each(|(d, &r)| *d = r + keep * *d);
        square = next;
    }
    max_steps
}

#[cfg(test)]
mod tests {
    use super::super::{add_outers, tests::vector};
    use super::*;
    use proptest::prelude::*;

    /// The sum of outer products plus the identity, mirrored.
    fn spd(n: usize, vectors: &[f32]) -> Vec<f32> {
        let mut a = vec![0.0; n * n];
        (0..n).for_each(|i| a[i * n + i] = 1.0);
        add_outers(&vectors.chunks_exact(n).map(|v| (v, 0.5)).collect::<Vec<_>>(), &mut a);
        for i in 0..n {
            for j in 0..i {
                a[i * n + j] = a[j * n + i];
            }
        }
        a
    }

    fn multiply(n: usize, a: &[f32], x: &[f32]) -> Vec<f32> {
        a.chunks_exact(n).map(|row| dot(row, x)).collect()
    }

    proptest! {
        #[test]
        fn both_solvers_solve((vectors, x) in (1usize..40).prop_flat_map(|n| (vector(n * 6), vector(n)))) {
            let n = x.len();
            let a = spd(n, &vectors);
            let b = multiply(n, &a, &x);
            let mut direct = b.clone();
            Spd::factor(n, a.clone()).unwrap().solve(&mut direct);
            let mut iterated = vec![0.0; n];
            conjugate_gradient(|v, out| out.copy_from_slice(&multiply(n, &a, v)), &b, &mut iterated, 1e-6, 200);
            for i in 0..n {
                prop_assert!((direct[i] - x[i]).abs() < 1e-3, "{} is not {}", direct[i], x[i]);
                prop_assert!((iterated[i] - x[i]).abs() < 1e-3, "{} is not {}", iterated[i], x[i]);
            }
        }
    }

    #[test]
    fn a_singular_system_leaves_finite_numbers() {
        let mut x = vec![0.0; 2];
        let steps =
            conjugate_gradient(|v, out| out.copy_from_slice(&[v[0], 0.0]), &[1.0, 1.0], &mut x, 1e-6, 9);
        assert!(steps < 9 && x.iter().all(|value| value.is_finite()), "{x:?} after {steps} steps");
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        assert_eq!(Spd::factor(2, vec![1.0, 2.0, 0.0, 1.0]).unwrap_err(), NotPositiveDefinite { row: 1 });
        assert_eq!(Spd::factor(1, vec![f32::NAN]).unwrap_err(), NotPositiveDefinite { row: 0 });
    }
}
