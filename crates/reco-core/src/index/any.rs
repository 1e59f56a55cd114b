//! Any index that does not change, by its kind.

use super::shape::shape_of;
use super::vectors::Vectors;
use super::{
    Allow, ExactIndex, HnswIndex, HnswParams, IndexError, IvfIndex, Metric, VectorIndex, suits_exact,
};
use crate::candidate::Hits;
use crate::linalg::Matrix;

/// An index of one of the built-in kinds, as [files](super::file) hold them.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyIndex {
    /// Every vector is looked at.
    Exact(Box<ExactIndex>),
    /// A graph is walked.
    Hnsw(Box<HnswIndex>),
    /// Some lists are scanned.
    Ivf(Box<IvfIndex>),
}

impl AnyIndex {
    /// The index that suits the number of vectors: exact up to some twenty thousand, HNSW above.
    ///
    /// # Errors
    ///
    /// [`IndexError`] for a vector that is not finite, too long or, under the cosine metric, zero.
    pub fn build(vectors: Matrix, metric: Metric) -> Result<Self, IndexError> {
        if suits_exact(vectors.n_rows()) {
            return Ok(ExactIndex::build(vectors, metric)?.into());
        }
        Ok(HnswIndex::build(vectors, metric, HnswParams::default())?.into())
    }

    /// Bytes of memory or, where a file is mapped, of the file.
    pub fn memory(&self) -> usize {
        match self {
            Self::Exact(index) => index.memory(),
            Self::Hnsw(index) => index.memory(),
            Self::Ivf(index) => index.memory(),
        }
    }

    /// In the order of the items.
    pub(super) fn vectors(&self) -> &Vectors {
        match self {
            Self::Exact(index) => index.vectors(),
            Self::Hnsw(index) => index.vectors(),
            Self::Ivf(index) => index.vectors(),
        }
    }

    fn as_dyn(&self) -> &dyn VectorIndex {
        match self {
            Self::Exact(index) => &**index,
            Self::Hnsw(index) => &**index,
            Self::Ivf(index) => &**index,
        }
    }
}

impl From<ExactIndex> for AnyIndex {
    fn from(index: ExactIndex) -> Self {
        Self::Exact(Box::new(index))
    }
}

impl From<HnswIndex> for AnyIndex {
    fn from(index: HnswIndex) -> Self {
        Self::Hnsw(Box::new(index))
    }
}

impl From<IvfIndex> for AnyIndex {
    fn from(index: IvfIndex) -> Self {
        Self::Ivf(Box::new(index))
    }
}

impl VectorIndex for AnyIndex {
    shape_of!(self => self.as_dyn());

    fn search(
        &self,
        vector: &[f32],
        k: usize,
        allow: Option<&dyn Allow>,
        out: &mut Hits,
    ) -> Result<(), IndexError> {
        self.as_dyn().search(vector, k, allow, out)
    }
}
