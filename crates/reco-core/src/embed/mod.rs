//! Text to vectors: TF-IDF over titles, descriptions and attributes.

mod text_index;
mod tfidf;
mod words;

pub use text_index::{TextIndex, terms};
pub use tfidf::{TfIdf, TfIdfParams};
pub use words::words;

/// A sparse vector: ascending term numbers with their weights.
pub type SparseVector = Vec<(u32, f32)>;
