//! The layers of links.

use super::super::array::Array;
use super::super::mix::mix;
use super::params::HnswParams;

/// Ends a list of links that is not full, as does every number that no point of the layer has: files may be
/// damaged.
pub(super) const NONE: u32 = u32::MAX;

/// Links among the first `n` points, a fixed number of places each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layer {
    links: Array<u32>,
    n_points: usize,
    places: usize,
}

/// Points in the order of their layers, the topmost first, so that a layer holds the points from 0 to
/// some number and needs no table of members; point 0 is where searches enter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Graph {
    /// The bottom layer, which holds all points, first.
    pub(super) layers: Vec<Layer>,
}

impl Layer {
    fn new(n_points: usize, places: usize) -> Self {
        Self { links: vec![NONE; n_points * places].into(), n_points, places }
    }

    /// What [`all_places`](Self::all_places) gave for `n_points`; None where it does not fit.
    pub(super) fn stored(links: Array<u32>, n_points: usize, places: usize) -> Option<Self> {
        (n_points.checked_mul(places) == Some(links.len())).then_some(Self { links, n_points, places })
    }

    /// Number of points.
    pub(super) fn len(&self) -> usize {
        self.n_points
    }

    /// Links a point may have.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// All places of a point, to prefetch.
    pub(super) fn places_of(&self, point: u32) -> &[u32] {
        &self.links[point as usize * self.places..][..self.places]
    }

    /// The places of all points.
    pub(super) fn all_places(&self) -> &[u32] {
        &self.links
    }

    /// The points a point is linked to.
    #[inline]
    pub(super) fn links(&self, point: u32) -> impl Iterator<Item = u32> + '_ {
        let links = self.places_of(point).iter().copied();
        links.take_while(|&link| (link as usize) < self.n_points)
    }

    /// Replaces a point's links; those that have no place are left out.
    pub(super) fn set(&mut self, point: u32, links: &[u32]) {
        let places = &mut self.links.make_mut()[point as usize * self.places..][..self.places];
        places.fill(NONE);
        places.iter_mut().zip(links).for_each(|(place, &link)| *place = link);
    }
}

impl Graph {
    /// Without links; `counts` are the points per layer, the bottom first.
    pub(super) fn new(counts: &[usize], params: &HnswParams) -> Self {
        let places = |layer| if layer == 0 { 2 * params.links } else { params.links };
        let layers = counts.iter().enumerate().map(|(layer, &n)| Layer::new(n, places(layer)));
        Self { layers: layers.collect() }
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.layers.iter().map(|layer| layer.links.memory()).sum()
    }
}

/// The order of points by layer and the number of points per layer, the bottom first. A point rises
/// one layer with probability 1 / `links`, drawn from its number.
pub(super) fn arrange(n_points: usize, links: usize) -> (Vec<u32>, Vec<usize>) {
    let heights: Vec<u8> = (0..n_points as u64).map(|point| height(point, links as u64)).collect();
    let top = heights.iter().copied().max().unwrap_or(0);
    let mut order: Vec<u32> = (0..n_points as u32).collect();
    order.sort_unstable_by_key(|&point| (top - heights[point as usize], point));
    let count = |layer| heights.iter().filter(|&&height| height >= layer).count();
    (order, (0..=top).map(count).collect())
}

/// Layers above the bottom one.
pub(super) const MOST_LAYERS: usize = 15;

fn height(point: u64, links: u64) -> u8 {
    let draws = (0..MOST_LAYERS as u64).map(|layer| mix(point * MOST_LAYERS as u64 + layer));
    draws.take_while(|draw| draw.is_multiple_of(links)).count() as u8
}
