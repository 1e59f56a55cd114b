//! Promises of vector indexes.

use crate::candidate::Hits;
use crate::id::ItemId;
use crate::index::{Allow, IndexError, Metric, VectorIndex};
use crate::linalg::Matrix;

/// Checks an index that `build` makes of vectors; it may be approximate.
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn vector_index(build: &dyn Fn(Matrix, Metric) -> Result<Box<dyn VectorIndex>, IndexError>) {
    let angle = |i: usize| (i as f32 * 0.37).sin_cos();
    let values: Vec<f32> = (0..200).flat_map(|i| [angle(i).0, angle(i).1, 0.5]).collect();
    let vectors = Matrix::from_vec(200, 3, values);
    let find = |index: &dyn VectorIndex, query: &[f32], k: usize, allow: Option<&dyn Allow>| {
        let mut hits = Hits::default();
        index.search(query, k, allow, &mut hits).expect("search");
        hits
    };
    for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
        let index = build(vectors.clone(), metric).expect("build");
        assert_eq!((index.len(), index.dim(), index.metric()), (200, 3, metric), "says what it is");
        let hits = find(&*index, vectors.row(7), 10, None);
        assert_eq!(hits.len(), 10, "as many as asked");
        assert_eq!(hits.ids[0], ItemId::new(7), "a vector finds itself");
        assert!(hits.scores.is_sorted_by(|a, b| a >= b), "nearest first");
        assert_eq!(find(&*index, vectors.row(7), 0, None).len(), 0, "none asked, none given");
        assert_eq!(
            find(&*index, vectors.row(7), 500, None).len(),
            200,
            "all when more are asked than there are"
        );
        let odd = |id: ItemId| id.raw() % 40 == 3;
        let hits = find(&*index, vectors.row(7), 10, Some(&odd));
        assert_eq!(hits.len(), 5, "never short while allowed items exist");
        assert!(hits.ids.iter().all(|&id| odd(id)), "never an item that is not allowed");
        let refused = index.search(&[1.0], 1, None, &mut Hits::default());
        assert!(
            matches!(refused, Err(IndexError::Dimension { got: 1, want: 3, .. })),
            "another length is refused"
        );
        let refused = index.search(&[1.0, f32::NAN, 0.0], 1, None, &mut Hits::default());
        assert!(matches!(refused, Err(IndexError::NotFinite { position: 1, .. })), "NaN is refused");
        let empty = build(Matrix::zeros(0, 3), metric).expect("build empty");
        assert_eq!(find(&*empty, &[1.0, 0.0, 0.0], 5, None).len(), 0, "an empty index finds nothing");
    }
    let zero = build(Matrix::zeros(1, 3), Metric::Cosine);
    assert!(matches!(zero, Err(IndexError::Zero { .. })), "a zero vector has no cosine");
}
