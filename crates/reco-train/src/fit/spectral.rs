//! Fitting the low-pass filter: the leading singular vectors of who took what.

use super::{FitError, bad};
use crate::progress::Progress;
use faer::{Mat, Side};
use rand::SeedableRng;
use rand::distr::{Distribution, StandardUniform};
use rand_pcg::Pcg64;
use rayon::prelude::*;
use reco_core::interactions::Csr;
use reco_core::linalg::{Matrix, axpy};
use reco_core::retrieve::spectral::SpectralModel;
use serde::{Deserialize, Serialize};

/// Parameters of the low-pass filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpectralParams {
    /// Singular vectors kept, 1 to 2,048: few for broad tastes, many for fine ones.
    pub dimensions: usize,
    /// Seed of the start of the search for them.
    pub seed: u64,
}

impl Default for SpectralParams {
    fn default() -> Self {
        Self { dimensions: 128, seed: 42 }
    }
}

impl SpectralParams {
    /// Directions searched beside those kept, which the last ones of them are then not mixed with.
    const SPARE: usize = 16;
    /// Multiplications by the matrix and its transpose; each sharpens the directions found.
    const POWER_STEPS: usize = 4;

    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        if (1..=2_048).contains(&self.dimensions) {
            return Vec::new();
        }
        vec![bad("dimensions", self.dimensions, "1 to 2048")]
    }
}

/// Finds the leading right singular vectors V of R, which is 1 / sqrt(items of the user * users of the
/// item) where a user had an item, by randomised subspace iteration (Halko, Martinsson & Tropp, SIAM Review
/// 2011, algorithm 4.4), and scales them: D^-1/2 V encodes what a user had, D^1/2 V what is compared with
/// it, D being the users of each item.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range, [`FitError::Empty`] without interactions.
pub fn fit(
    interactions: &Csr,
    params: &SpectralParams,
    progress: &dyn Progress,
) -> Result<SpectralModel, FitError> {
    FitError::check("spectral", params.problems())?;
    if interactions.n_cells() == 0 {
        return Err(FitError::Empty { model: "spectral" });
    }
    let by_user = normalized(interactions);
    let by_item = by_user.transpose();
    let n_items = by_item.n_rows();
    let dimensions = params.dimensions.min(n_items);
    let width = (dimensions + SpectralParams::SPARE).min(n_items);
    let mut rng = Pcg64::seed_from_u64(params.seed);
    let mut noise = || -> f32 { StandardUniform.sample(&mut rng) };
    let noise = (0..n_items * width).map(|_| noise() - 0.5).collect();
    let mut basis = orthonormal(&Matrix::from_vec(n_items, width, noise));
    progress.begin("spectral", SpectralParams::POWER_STEPS as u64 + 1);
    for _ in 0..SpectralParams::POWER_STEPS {
        basis = orthonormal(&product(&by_item, &product(&by_user, &basis)));
        progress.advance(1);
    }
    let vectors = rotated(&basis, &product(&by_user, &basis), dimensions);
    let n_users = interactions.column_lengths();
    let scaled = |power: f32| {
        let mut rows = vectors.clone();
        for (row, &n_users) in rows.as_mut_slice().chunks_exact_mut(dimensions).zip(&n_users) {
            row.iter_mut().for_each(|x| *x *= if n_users > 0 { (n_users as f32).powf(power) } else { 0.0 });
        }
        rows
    };
    progress.end(&format!("{dimensions} dimensions"));
    Ok(SpectralModel::new(scaled(-0.5), scaled(0.5)))
}

/// 1 / sqrt(cells of the row * cells of the column) in every cell.
fn normalized(interactions: &Csr) -> Csr {
    let n_users = interactions.column_lengths();
    interactions.clone().map_cells(|user, item, _| {
        let n_items = interactions.row(user).0.len();
        1.0 / (n_items as f32 * n_users[item] as f32).sqrt()
    })
}

/// Sparse times dense.
fn product(sparse: &Csr, dense: &Matrix) -> Matrix {
    let width = dense.n_columns();
    let mut result = Matrix::zeros(sparse.n_rows(), width);
    result.as_mut_slice().par_chunks_exact_mut(width).enumerate().for_each(|(row, sum)| {
        let (columns, values) = sparse.row(row);
        for (&column, &value) in columns.iter().zip(values) {
            axpy(value, dense.row(column as usize), sum);
        }
    });
    result
}

fn to_faer(matrix: &Matrix) -> Mat<f64> {
    Mat::from_fn(matrix.n_rows(), matrix.n_columns(), |row, column| f64::from(matrix.row(row)[column]))
}

fn from_faer(matrix: &Mat<f64>) -> Matrix {
    let (n_rows, n_columns) = (matrix.nrows(), matrix.ncols());
    let values = (0..n_rows).flat_map(|row| (0..n_columns).map(move |column| matrix[(row, column)] as f32));
    Matrix::from_vec(n_rows, n_columns, values.collect())
}

/// An orthonormal basis of the columns' span.
fn orthonormal(columns: &Matrix) -> Matrix {
    from_faer(&to_faer(columns).qr().compute_thin_Q())
}

/// The basis turned so that its columns are singular vectors, the `dimensions` with the largest singular
/// values; `image` is the matrix times the basis.
fn rotated(basis: &Matrix, image: &Matrix, dimensions: usize) -> Matrix {
    let image = to_faer(image);
    let gram = image.transpose() * &image;
    // Ascending by value; a symmetric matrix of finite numbers always has them.
    let Ok(eigen) = gram.self_adjoint_eigen(Side::Lower) else { return basis.clone() };
    let width = basis.n_columns();
    let turn = Mat::from_fn(width, dimensions, |row, column| eigen.U()[(row, width - 1 - column)]);
    from_faer(&(to_faer(basis) * turn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use reco_core::id::ItemId;

    /// Two groups of users and items with nothing in common.
    fn groups() -> Csr {
        let cells = (0u32..30).flat_map(|user| (0u32..12).map(move |item| (user, item)));
        let cells = cells.filter(|(user, item)| user % 2 == item % 2 && (user + item) % 5 != 0);
        Csr::from_entries(30, 12, cells.map(|(user, item)| (user, item, 2.0)).collect::<Vec<_>>().into_iter())
    }

    fn scores(model: &SpectralModel, had: &[u32]) -> Vec<f32> {
        let mut scores = vec![0.0; model.n_items()];
        model.score_all(&model.user_vector(had.iter().map(|&item| ItemId::new(item))), &mut scores);
        scores
    }

    #[test]
    fn two_dimensions_tell_two_groups_apart() {
        let params = SpectralParams { dimensions: 2, ..SpectralParams::default() };
        let model = fit(&groups(), &params, &Silent).unwrap();
        let scores = scores(&model, &[0, 4]);
        assert!((0..12).all(|item| (scores[item] > 0.05) == (item % 2 == 0)), "{scores:?}");
        assert!((0..12).all(|item| item % 2 == 0 || scores[item].abs() < 1e-3), "{scores:?}");
    }

    #[test]
    fn with_all_dimensions_nothing_is_lost() {
        let params = SpectralParams { dimensions: 12, ..SpectralParams::default() };
        let model = fit(&groups(), &params, &Silent).unwrap();
        let scores = scores(&model, &[3, 7]);
        for (item, score) in (0..12).zip(scores) {
            let had = f32::from(u8::from(item == 3 || item == 7));
            assert!((score - had).abs() < 1e-3, "item {item}: {score}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let model = pool.install(|| fit(&groups(), &SpectralParams::default(), &Silent)).unwrap();
            scores(&model, &[1, 2, 3])
        };
        assert_eq!(on(1), on(3));
    }
}
