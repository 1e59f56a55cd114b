//! Neighbours by the cosine of the items' factors, found with a vector index.

use super::FitError;
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::candidate::Hits;
use reco_core::id::ItemId;
use reco_core::index::{Metric, VectorIndex, build};
use reco_core::linalg::Matrix;
use reco_core::retrieve::neighbors::Neighbors;

/// The `n_neighbors` nearest items of every item; items with zero factors have none.
///
/// # Errors
///
/// [`FitError::Index`] when a vector is not finite.
pub fn neighbors(items: &Matrix, n_neighbors: usize, progress: &dyn Progress) -> Result<Neighbors, FitError> {
    // Items nobody touched have no direction and stay outside the index.
    let known: Vec<usize> =
        (0..items.n_rows()).filter(|&row| items.row(row).iter().any(|x| *x != 0.0)).collect();
    progress.begin("vector neighbours", known.len() as u64);
    let mut vectors = Matrix::zeros(known.len(), items.n_columns());
    known.iter().enumerate().for_each(|(to, &from)| vectors.row_mut(to).copy_from_slice(items.row(from)));
    let index = build(vectors, Metric::Cosine)?;
    let near: Result<Vec<Vec<(f32, ItemId)>>, FitError> = known
        .par_iter()
        .map(|&row| {
            let list = nearest(&*index, items.row(row), ItemId::new(row as u32), n_neighbors, &known)?;
            progress.advance(1);
            Ok(list)
        })
        .collect();
    let mut lists = vec![Vec::new(); items.n_rows()];
    known.iter().zip(near?).for_each(|(&row, list)| lists[row] = list);
    progress.end(&format!("up to {n_neighbors} neighbours for {} items", known.len()));
    Ok(Neighbors::new(lists))
}

fn nearest(
    index: &dyn VectorIndex,
    vector: &[f32],
    own: ItemId,
    limit: usize,
    known: &[usize],
) -> Result<Vec<(f32, ItemId)>, FitError> {
    let mut hits = Hits::default();
    index.search(vector, limit + 1, None, &mut hits)?;
    let hits = hits.iter().map(|(place, score)| (score, ItemId::new(known[place.index()] as u32)));
    Ok(hits.filter(|(score, id)| *id != own && *score > 0.0).take(limit).collect())
}
