//! Building the graph (Algorithm 1 of the paper), in batches.
//!
//! The points of a batch look for their neighbours in the graph as it was before the batch, all in
//! parallel; then their links are entered in the order of the points (Manohar et al., PPoPP 2024).
//! So the graph does not depend on the number of threads.

use super::super::codes::Codes;
use super::super::scratch::Pool;
use super::graph::Graph;
use super::params::HnswParams;
use super::select::Selection;
use super::walk::{Near, Walk};
use rayon::prelude::*;

/// A batch holds one point for this many in the graph,
const POINTS_PER_NEW_ONE: usize = 8;
/// and at most this many.
const LARGEST_BATCH: usize = 512;

/// Points whose links are merged before those of the next are.
const MERGED_TOGETHER: usize = 1_024;

/// The links found for a point, per layer from the bottom.
type Links = Vec<Vec<u32>>;

/// A link to the first from the second.
type BackLink = (u32, u32);

/// The graph of the rows of `codes`, which come in the order of their layers; `counts` are the points
/// per layer, the bottom first.
pub(super) fn build(codes: &Codes, counts: &[usize], params: &HnswParams) -> Graph {
    let mut graph = Graph::new(counts, params);
    let pool = Pool::default();
    let mut done = 1;
    while done < codes.len() {
        let batch = (done / POINTS_PER_NEW_ONE).clamp(1, LARGEST_BATCH).min(codes.len() - done);
        let points = done as u32..(done + batch) as u32;
        let found: Vec<Links> = points
            .clone()
            .into_par_iter()
            .map(|point| pool.with(|work: &mut Workspace| work.find(codes, &graph, point, params)))
            .collect();
        for layer in 0..graph.layers.len() {
            let back = enter(&mut graph, layer, points.start, &found);
            enter_back(codes, &mut graph, layer, back, &pool);
        }
        done += batch;
    }
    graph
}

/// The memory of one thread.
#[derive(Debug, Default)]
struct Workspace {
    walk: Walk,
    selection: Selection,
    candidates: Vec<Near>,
    links: Vec<u32>,
}

impl Workspace {
    /// The links of a new point, in all layers it is in.
    fn find(&mut self, codes: &Codes, graph: &Graph, point: u32, params: &HnswParams) -> Links {
        codes.row_as_query(point, &mut self.walk.query);
        let height = graph.layers.iter().rposition(|layer| (point as usize) < layer.len()).unwrap_or(0);
        let mut entry = self.walk.enter(codes, &graph.layers[height + 1..]);
        let mut links = vec![Vec::new(); height + 1];
        for (layer, links) in graph.layers.iter().zip(&mut links).rev() {
            self.walk.spread(codes, layer, entry, params.build_width, None);
            let kept = self.walk.beam.kept();
            entry = kept.first().copied().unwrap_or(entry);
            *links = self.selection.choose(codes, point, kept, layer.places()).to_vec();
        }
        links
    }

    /// A point's links with `more`, chosen anew where they do not all have a place.
    fn merge(&mut self, codes: &Codes, graph: &Graph, layer: usize, more: &[BackLink]) -> Vec<u32> {
        let (layer, point) = (&graph.layers[layer], more[0].0);
        self.links.clear();
        self.links.extend(layer.links(point));
        self.links.extend(more.iter().map(|(_, from)| from));
        if self.links.len() <= layer.places() {
            return self.links.clone();
        }
        codes.row_as_query(point, &mut self.walk.query);
        self.candidates.clear();
        self.walk.score_all(codes, self.links.iter().copied(), |near| self.candidates.push(near));
        self.candidates.sort_unstable_by(|a, b| a.order(*b));
        self.selection.choose(codes, point, &self.candidates, layer.places()).to_vec()
    }
}

/// Enters the links found for the points from `first` on into one layer; those back are still to come.
fn enter(graph: &mut Graph, layer: usize, first: u32, found: &[Links]) -> Vec<BackLink> {
    let mut back = Vec::new();
    for (links, point) in found.iter().zip(first..) {
        if let Some(links) = links.get(layer) {
            graph.layers[layer].set(point, links);
            back.extend(links.iter().map(|&link| (link, point)));
        }
    }
    back.sort_unstable();
    back
}

fn enter_back(codes: &Codes, graph: &mut Graph, layer: usize, back: Vec<BackLink>, pool: &Pool<Workspace>) {
    let by_point: Vec<&[BackLink]> = back.chunk_by(|a, b| a.0 == b.0).collect();
    // What is merged for a point depends on no other, so they need not all be in memory at once.
    for by_point in by_point.chunks(MERGED_TOGETHER) {
        let merge = |more: &&[BackLink]| pool.with(|work| work.merge(codes, graph, layer, more));
        let merged: Vec<Vec<u32>> = by_point.par_iter().map(merge).collect();
        by_point.iter().zip(merged).for_each(|(more, links)| graph.layers[layer].set(more[0].0, &links));
    }
}
