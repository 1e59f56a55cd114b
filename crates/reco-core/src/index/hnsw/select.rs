//! Choosing a point's links among candidates (Algorithm 4 of the paper).

use super::super::codes::{Codes, QueryCode};
use super::walk::Near;

/// The memory of a choice, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    query: QueryCode,
    chosen: Vec<u32>,
    products: Vec<i32>,
}

/// One place in so many is not filled up.
const FREE: usize = 8;

/// Links looked at together; most candidates fail early.
const TOGETHER: usize = 8;

impl Selection {
    /// At most `limit` of `candidates`, which come nearest first: those nearer to `point` than to any
    /// chosen before, so that links lead into different directions; and where these are few, the
    /// nearest of the others, but some places stay free for links that come later.
    pub(super) fn choose(&mut self, codes: &Codes, point: u32, candidates: &[Near], limit: usize) -> &[u32] {
        self.chosen.clear();
        let half_square = codes.half_square(point);
        for near in candidates {
            if self.chosen.len() == limit {
                break;
            }
            if !self.is_covered(codes, near.point, half_square - near.score) {
                self.chosen.push(near.point);
            }
        }
        let enough = limit - limit / FREE;
        for near in candidates {
            if self.chosen.len() >= enough {
                break;
            }
            if !self.chosen.contains(&near.point) {
                self.chosen.push(near.point);
            }
        }
        &self.chosen
    }

    /// Whether a chosen point is within half a squared distance of `within` from `candidate`.
    fn is_covered(&mut self, codes: &Codes, candidate: u32, within: f32) -> bool {
        if self.chosen.is_empty() {
            return false;
        }
        codes.row_as_query(candidate, &mut self.query);
        let (rows, half_square) = (codes.rows(), codes.half_square(candidate));
        self.products.resize(TOGETHER, 0);
        self.chosen.chunks(TOGETHER).any(|chosen| {
            let products = &mut self.products[..chosen.len()];
            rows.products(self.query.code(), chosen, products);
            let mut scores = chosen
                .iter()
                .zip(products)
                .map(|(&link, product)| self.query.score(rows.row(link), *product));
            scores.any(|score| half_square - score < within)
        })
    }
}
