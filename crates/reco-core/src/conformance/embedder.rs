//! Promises of text embedders.

use super::healthy;
use crate::embed::TextEmbedder;
use crate::linalg::{Matrix, dot};

/// Checks an embedder.
///
/// ```no_run
/// use reco_core::conformance;
/// # fn mine() -> impl reco_core::embed::TextEmbedder {
/// #     #[derive(Debug)]
/// #     struct Mine;
/// #     impl reco_core::embed::TextEmbedder for Mine {
/// #         fn name(&self) -> &str { "mine" }
/// #         fn dimension(&self) -> usize { 1 }
/// #         fn embed(&self, texts: &[&str]) -> Result<reco_core::linalg::Matrix, reco_core::error::Fault> {
/// #             Ok(reco_core::linalg::Matrix::zeros(texts.len(), 1))
/// #         }
/// #     }
/// #     Mine
/// # }
///
/// conformance::text_embedder(&mine());
/// ```
///
/// # Panics
///
/// Panics at the first broken promise.
pub fn text_embedder(embedder: &dyn TextEmbedder) {
    assert!(!embedder.name().is_empty(), "an embedder has a name");
    assert!(embedder.dimension() > 0, "a vector has numbers");
    let long = "bread and butter ".repeat(2_000);
    let texts =
        ["Green tea", "", "käse:日本 語 🍞", "Rye bread, 500 g", &long, "  ", "\0\u{202e}<b>", "Green tea"];
    let together = embed(embedder, &texts);
    for (row, text) in texts.iter().enumerate() {
        let alone = embed(embedder, &[text]);
        let apart = together.row(row).iter().zip(alone.row(0)).map(|(a, b)| (a - b).abs());
        let most = apart.fold(0.0, f32::max);
        assert!(most < 1e-4, "a text has the same vector whatever else is embedded: {text:?} is {most} off");
    }
    assert!(together.row(0) == together.row(7), "the same text has the same vector");
    assert!(together.row(0).iter().any(|x| *x != 0.0), "words say something");
    for row in [1, 5] {
        assert!(together.row(row).iter().all(|x| *x == 0.0), "a text without words says nothing");
    }
    assert_eq!(embed(embedder, &[]).n_rows(), 0, "no text has no vector");
}

/// The vectors of these texts, with what must hold of any.
fn embed(embedder: &dyn TextEmbedder, texts: &[&str]) -> Matrix {
    let vectors = healthy("any text can be embedded", embedder.embed(texts));
    assert_eq!(vectors.n_rows(), texts.len(), "each text has a vector");
    assert_eq!(vectors.n_columns(), embedder.dimension(), "vectors are as long as it says");
    assert!(vectors.is_finite(), "vectors are finite");
    for (vector, text) in vectors.rows().zip(texts) {
        let length = dot(vector, vector).sqrt();
        assert!(length == 0.0 || (length - 1.0).abs() < 1e-3, "a vector has length 1: {text:?} has {length}");
    }
    vectors
}
