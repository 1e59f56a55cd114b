//! Making sure that every point finds itself.
//!
//! The links chosen lead towards what is near, but nothing promises a way to every single point:
//! among 100,000 word vectors, nearly one in a hundred was not met by a search for itself.

use super::super::codes::Codes;
use super::super::scratch::Pool;
use super::graph::{Graph, NONE};
use super::walk::Walk;
use rayon::prelude::*;

/// Width of the searches that must meet a point.
const WIDTH: usize = 64;
/// Rounds of searching and linking; three to seven were needed.
const ROUNDS: usize = 16;

/// Links points that a search for them misses to what the search finds instead. Such a search looks
/// at all links of all it finds, so the next one meets the point.
pub(super) fn mend(codes: &Codes, graph: &mut Graph) {
    let pool = Pool::<Walk>::default();
    // None for all points, which are too many to list.
    let mut suspects: Option<Vec<u32>> = None;
    for _ in 0..ROUNDS {
        let look = |point| Some((point, pool.with(|walk| found_instead(codes, graph, point, walk))?));
        let missed: Vec<(u32, u32)> = match &suspects {
            None => (0..codes.len() as u32).into_par_iter().filter_map(look).collect(),
            Some(points) => points.par_iter().copied().filter_map(look).collect(),
        };
        missed.iter().for_each(|&(point, from)| link(graph, from, point));
        // A link that gave way may have been the only one to some other point.
        match (missed.is_empty(), suspects.is_none()) {
            (true, true) => return,
            (true, false) => suspects = None,
            (false, _) => suspects = Some(missed.into_iter().map(|(point, _)| point).collect()),
        }
    }
}

/// Where a link to `point` is missing: the nearest point found that has a place, or else the nearest.
fn found_instead(codes: &Codes, graph: &Graph, point: u32, walk: &mut Walk) -> Option<u32> {
    codes.row_as_query(point, &mut walk.query);
    let own = walk.score_one(codes, point);
    if walk.meets(codes, graph, WIDTH, point) {
        return None;
    }
    let kept = walk.beam.kept();
    // So many may be the same that the point has no right to be found.
    if kept.len() == WIDTH && !own.before(kept[WIDTH - 1]) {
        return None;
    }
    let has_place = |from: u32| graph.layers[0].places_of(from).last() == Some(&NONE);
    kept.iter().map(|near| near.point).find(|&from| has_place(from)).or_else(|| Some(kept.first()?.point))
}

/// Adds a link; the last one, to the farthest point, gives way where there is no place.
fn link(graph: &mut Graph, from: u32, to: u32) {
    let layer = &mut graph.layers[0];
    let mut links = layer.links(from).collect::<Vec<_>>();
    links.truncate(layer.places() - 1);
    links.push(to);
    layer.set(from, &links);
}
