//! Walking the graph towards a query (Algorithms 2 and 5 of the paper).

use super::super::codes::{Codes, QueryCode};
use super::graph::{Graph, Layer};
use crate::linalg::prefetch;
use std::cmp::Ordering;

/// A point and its score, larger is nearer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Near {
    pub(super) score: f32,
    pub(super) point: u32,
}

impl Near {
    /// Whether this comes before `other`: nearer, or as near with the smaller number.
    #[inline]
    pub(super) fn before(self, other: Self) -> bool {
        self.score > other.score || (self.score >= other.score && self.point < other.point)
    }

    /// Best first.
    pub(super) fn order(self, other: Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.point.cmp(&other.point))
    }
}

/// The best points seen, best first, each walked from at most once.
#[derive(Clone, Debug, Default)]
pub(super) struct Beam {
    kept: Vec<Near>,
    walked: Vec<bool>,
    width: usize,
    /// All before this were walked from.
    next: usize,
}

impl Beam {
    fn restart(&mut self, width: usize) {
        self.kept.clear();
        self.walked.clear();
        self.width = width;
        self.next = 0;
    }

    /// Best first.
    pub(super) fn kept(&self) -> &[Near] {
        &self.kept
    }

    #[inline]
    fn offer(&mut self, near: Near) {
        if self.kept.len() == self.width {
            if self.kept.last().is_some_and(|worst| !near.before(*worst)) {
                return;
            }
            self.kept.pop();
            self.walked.pop();
        }
        let place = self.kept.partition_point(|kept| kept.before(near));
        self.kept.insert(place, near);
        self.walked.insert(place, false);
        self.next = self.next.min(place);
    }

    /// The best point not walked from yet, which then is.
    fn take(&mut self) -> Option<u32> {
        let ahead = self.walked[self.next..].iter().position(|walked| !walked)?;
        self.next += ahead + 1;
        self.walked[self.next - 1] = true;
        Some(self.kept[self.next - 1].point)
    }

    /// A guess at what `take` gives next.
    fn peek(&self) -> Option<u32> {
        self.kept.get(self.next).map(|near| near.point)
    }
}

/// Which points a walk has seen: a stamp per point, so that starting over costs nothing.
#[derive(Clone, Debug, Default)]
struct Seen {
    stamps: Vec<u8>,
    now: u8,
}

impl Seen {
    fn restart(&mut self, n_points: usize) {
        if self.stamps.len() != n_points || self.now == u8::MAX {
            self.stamps.clear();
            self.stamps.resize(n_points, 0);
            self.now = 0;
        }
        self.now += 1;
    }

    fn has(&self, point: u32) -> bool {
        self.stamps[point as usize] == self.now
    }

    #[inline]
    fn is_new(&mut self, point: u32) -> bool {
        std::mem::replace(&mut self.stamps[point as usize], self.now) != self.now
    }
}

/// The memory of a walk, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    pub(super) query: QueryCode,
    pub(super) beam: Beam,
    seen: Seen,
    fresh: Vec<u32>,
    products: Vec<i32>,
}

impl Walk {
    /// Fills the beam with the `width` points of the bottom layer found nearest to the query.
    pub(super) fn search(&mut self, codes: &Codes, graph: &Graph, width: usize) {
        let entry = self.enter(codes, &graph.layers[1..]);
        self.spread(codes, &graph.layers[0], entry, width, None);
    }

    /// Whether such a search meets `goal`; it ends there.
    pub(super) fn meets(&mut self, codes: &Codes, graph: &Graph, width: usize, goal: u32) -> bool {
        let entry = self.enter(codes, &graph.layers[1..]);
        self.spread(codes, &graph.layers[0], entry, width, Some(goal));
        self.seen.has(goal)
    }

    /// The point of the lowest of `layers` where greedy steps end, from the first point on.
    pub(super) fn enter(&mut self, codes: &Codes, layers: &[Layer]) -> Near {
        let first = self.score_one(codes, 0);
        layers.iter().rev().fold(first, |entry, layer| self.descend(codes, layer, entry))
    }

    /// Goes to nearer points of one layer while there are any.
    fn descend(&mut self, codes: &Codes, layer: &Layer, mut best: Near) -> Near {
        loop {
            let from = best;
            self.score_all(codes, layer.links(from.point), |near| {
                best = if near.before(best) { near } else { best };
            });
            if from.point == best.point {
                return best;
            }
        }
    }

    /// Fills the beam with the `width` points of one layer found nearest to the query from `entry` on;
    /// ends early once it meets `goal`.
    pub(super) fn spread(
        &mut self,
        codes: &Codes,
        layer: &Layer,
        entry: Near,
        width: usize,
        goal: Option<u32>,
    ) {
        let mut beam = std::mem::take(&mut self.beam);
        beam.restart(width);
        self.seen.restart(codes.len());
        self.seen.is_new(entry.point);
        beam.offer(entry);
        let rows = codes.rows();
        while let Some(point) = beam.take() {
            if let Some(next) = beam.peek() {
                prefetch(layer.places_of(next));
            }
            self.fresh.clear();
            for link in layer.links(point) {
                if self.seen.is_new(link) {
                    prefetch(rows.row(link));
                    self.fresh.push(link);
                }
            }
            if goal.is_some_and(|goal| self.seen.has(goal)) {
                break;
            }
            self.score_fresh(codes, |near| beam.offer(near));
        }
        self.beam = beam;
    }

    /// The score of one point.
    pub(super) fn score_one(&mut self, codes: &Codes, point: u32) -> Near {
        let mut scored = Near { score: 0.0, point };
        self.score_all(codes, [point], |near| scored = near);
        scored
    }

    /// Hands the scores of all `points` to `each`.
    pub(super) fn score_all(
        &mut self,
        codes: &Codes,
        points: impl IntoIterator<Item = u32>,
        each: impl FnMut(Near),
    ) {
        self.fresh.clear();
        self.fresh.extend(points);
        self.score_fresh(codes, each);
    }

    #[inline]
    fn score_fresh(&mut self, codes: &Codes, mut each: impl FnMut(Near)) {
        let rows = codes.rows();
        self.products.resize(self.fresh.len(), 0);
        rows.products(self.query.code(), &self.fresh, &mut self.products);
        for (&point, &product) in self.fresh.iter().zip(&self.products) {
            each(Near { score: self.query.score(rows.row(point), product), point });
        }
    }
}
