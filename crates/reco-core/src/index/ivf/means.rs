//! k-means (Lloyd, 1982) in Euclidean space.

use super::super::codes::{Codes, QueryCode};
use super::super::scratch::Pool;
use super::super::{IndexError, Metric};
use crate::linalg::{Matrix, MatrixView};
use rayon::prelude::*;

/// Cluster centres, and the cluster of every row.
pub(super) struct Means {
    pub(super) centres: Matrix,
    pub(super) cluster_of: Vec<u32>,
}

#[derive(Debug, Default)]
struct Workspace {
    query: QueryCode,
    products: Vec<i32>,
}

/// Clusters the rows of `points` around `n_clusters` centres, at most as many as there are rows, in
/// `rounds` rounds. It begins with rows spread evenly over all, so that it repeats.
///
/// # Errors
///
/// [`IndexError::TooWide`] for rows that do not fit into bytes.
pub(super) fn cluster(points: MatrixView<'_>, n_clusters: usize, rounds: usize) -> Result<Means, IndexError> {
    let (n_points, dim) = (points.n_rows(), points.n_columns());
    let n_clusters = n_clusters.min(n_points);
    let mut centres = Matrix::zeros(n_clusters, dim);
    for cluster in 0..n_clusters {
        let row = cluster * n_points / n_clusters;
        centres.row_mut(cluster).copy_from_slice(points.row(row));
    }
    let mut cluster_of = nearest(points, centres.view())?;
    for _ in 0..rounds {
        centres = means(points, &cluster_of, centres);
        cluster_of = nearest(points, centres.view())?;
    }
    Ok(Means { centres, cluster_of })
}

/// The nearest centre of every point, by bytes: centres are compared often, and nearly right is enough.
fn nearest(points: MatrixView<'_>, centres: MatrixView<'_>) -> Result<Vec<u32>, IndexError> {
    let all: Vec<u32> = (0..centres.n_rows() as u32).collect();
    let codes = Codes::new(centres, &all, Metric::L2)?;
    let pool = Pool::<Workspace>::default();
    let one = |point: usize| {
        pool.with(|Workspace { query, products }| {
            codes.query(points.row(point), query);
            let rows = codes.rows();
            products.resize(all.len(), 0);
            rows.products(query.code(), &all, products);
            let scores =
                all.iter().zip(products).map(|(&centre, product)| query.score(rows.row(centre), *product));
            let best = scores.zip(&all).fold((f32::NEG_INFINITY, 0), |best, (score, &centre)| {
                if score > best.0 { (score, centre) } else { best }
            });
            best.1
        })
    };
    Ok((0..points.n_rows()).into_par_iter().map(one).collect())
}

/// The means of the clusters; a cluster without points keeps its centre.
fn means(points: MatrixView<'_>, cluster_of: &[u32], mut centres: Matrix) -> Matrix {
    let dim = points.n_columns();
    let mut sums = vec![0.0f64; centres.n_rows() * dim];
    let mut counts = vec![0u32; centres.n_rows()];
    for (row, &cluster) in points.rows().zip(cluster_of) {
        counts[cluster as usize] += 1;
        let sums = &mut sums[cluster as usize * dim..][..dim];
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    for (cluster, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let sums = sums[cluster * dim..][..dim].iter();
        centres
            .row_mut(cluster)
            .iter_mut()
            .zip(sums)
            .for_each(|(to, sum)| *to = (sum / f64::from(count)) as f32);
    }
    centres
}
