//! Text to vectors: TF-IDF over titles, descriptions and attributes, or a sentence model's.

#[cfg(feature = "neural")]
pub mod sentence;
mod text_index;
mod text_vectors;
mod tfidf;
mod words;

use crate::catalog::Catalog;
use crate::error::Fault;
use crate::id::ItemId;
use crate::linalg::Matrix;
use std::fmt::Debug;

pub use text_index::{TextIndex, terms};
pub use text_vectors::TextVectors;
pub use tfidf::{TfIdf, TfIdfParams};
pub use words::words;

/// A sparse vector: ascending term numbers with their weights.
pub type SparseVector = Vec<(u32, f32)>;

/// Gives texts dense vectors, near one another where texts mean much the same.
///
/// ```
/// use reco_core::embed::TextEmbedder;
/// use reco_core::error::Fault;
/// use reco_core::linalg::Matrix;
///
/// /// How often each letter comes.
/// #[derive(Debug)]
/// struct Letters;
///
/// impl TextEmbedder for Letters {
///     fn name(&self) -> &str {
///         "letters"
///     }
///     fn dimension(&self) -> usize {
///         26
///     }
///     fn embed(&self, texts: &[&str]) -> Result<Matrix, Fault> {
///         let mut vectors = Matrix::zeros(texts.len(), 26);
///         for (row, text) in texts.iter().enumerate() {
///             let vector = vectors.row_mut(row);
///             let letters = text.bytes().filter(u8::is_ascii_alphabetic);
///             letters.for_each(|letter| vector[usize::from(letter.to_ascii_lowercase() - b'a')] += 1.0);
///             let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
///             vector.iter_mut().filter(|_| length > 0.0).for_each(|x| *x /= length);
///         }
///         Ok(vectors)
///     }
/// }
///
/// # #[cfg(feature = "conformance")]
/// reco_core::conformance::text_embedder(&Letters);
/// let vectors = Letters.embed(&["tea", "Eat!"])?;
/// assert_eq!(vectors.row(0), vectors.row(1));
/// # Ok::<(), Fault>(())
/// ```
pub trait TextEmbedder: Debug + Send + Sync {
    /// Names the model with its weights: vectors are compared with those of an embedder of the same name only.
    fn name(&self) -> &str;

    /// Numbers in a vector, at least 1.
    fn dimension(&self) -> usize;

    /// A row of length 1 for each text, in their order; all zero where a text says nothing. The same text has the same vector,
    /// but for rounding, whatever else is embedded with it.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when they could not be computed.
    fn embed(&self, texts: &[&str]) -> Result<Matrix, Fault>;
}

/// What is known of an item in words: title, brand, category, subcategory, text and tags, in sentences. Empty where nothing is.
pub fn sentences(catalog: &Catalog, id: ItemId) -> String {
    let labels = [catalog.brand(), catalog.category(), catalog.subcategory()];
    let mut parts = vec![catalog.title(id)];
    parts.extend(labels.iter().filter_map(|column| column.get(id)));
    parts.push(catalog.text(id));
    parts.extend(catalog.tags().get(id));
    parts.retain(|part| !part.trim().is_empty());
    parts.join(". ")
}
