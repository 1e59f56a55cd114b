//! How dense the graph is and how wide its searches are.

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
    /// Parameters within their ranges.
    pub(super) fn clamped(self) -> Self {
        let links = self.links.clamp(2, 256);
        Self { links, build_width: self.build_width.max(links), ..self }
    }
}
