//! How dense the graph is and how wide its searches are.

use super::IndexError;
use std::ops::RangeInclusive;

/// Parameters of an [`HnswIndex`](super::HnswIndex).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HnswParams {
    /// Links per point in the upper layers (M in the paper), 2 to 256; twice as many in the bottom one.
    pub links: usize,
    /// Points kept by the searches that build (efConstruction), at least `links`.
    pub build_width: usize,
    /// Points kept by a search beside two for every item asked (ef = search_width + 2 k).
    pub search_width: usize,
}

impl Default for HnswParams {
    fn default() -> Self {
        Self { links: 16, build_width: 200, search_width: 128 }
    }
}

impl HnswParams {
    /// The numbers of links that a point may have.
    pub const LINKS: RangeInclusive<usize> = 2..=256;

    /// Refuses what is out of range.
    pub(in crate::index) fn check(self) -> Result<(), IndexError> {
        let Self { links, build_width, .. } = self;
        let (least, most) = (Self::LINKS.start(), Self::LINKS.end());
        if !Self::LINKS.contains(&links) {
            return Err(IndexError::Params(format!("links is {links}, must be {least} to {most}")));
        }
        if build_width < links {
            return Err(IndexError::Params(format!(
                "build_width is {build_width}, must be at least {links}, as links is"
            )));
        }
        Ok(())
    }
}
