//! Scans of bytes that miss nothing: what rounding may hide is kept for exact scores.
//!
//! The score of a row for a query differs from that of their bytes by at most
//! |q| |x - x̂| + |q - q̂| |x̂| (Cauchy and Schwarz), where x̂ and q̂ are what the bytes stand for. So a row
//! whose score could at best be below the k-th best of what the others are at worst can be left out.

use super::codes::{Codes, QueryCode};

/// Rows scored together.
const TOGETHER: usize = 256;

/// Rows that may be among the `k` best seen.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    kept: Vec<Bounds>,
    k: usize,
    /// So many are kept before they are sifted.
    room: usize,
    /// The k-th best score at worst.
    floor: f32,
    which: Vec<u32>,
    products: Vec<i32>,
}

/// What a row's score is at worst and at best.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    low: f32,
    high: f32,
    row: u32,
}

impl Bounds {
    fn new(row: u32, score: f32, error: f32) -> Self {
        Self { low: score - error, high: score + error, row }
    }
}

impl Sieve {
    /// Appends to `out` all of `rows` that may be among the `k` best for the query.
    pub(super) fn scan(
        &mut self,
        codes: &Codes,
        query: &QueryCode,
        k: usize,
        rows: impl Iterator<Item = u32>,
        out: &mut Vec<u32>,
    ) {
        self.restart(k);
        let (bytes, error) = (codes.rows(), codes.error(query));
        let (mut which, mut products) = (std::mem::take(&mut self.which), std::mem::take(&mut self.products));
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            which.clear();
            which.extend(rows.by_ref().take(TOGETHER));
            products.resize(which.len(), 0);
            bytes.products(query.code(), &which, &mut products);
            for (&row, &product) in which.iter().zip(&products) {
                let score = query.score(bytes.row(row), product);
                self.offer(Bounds::new(row, score, error.of(bytes.row(row))));
            }
        }
        (self.which, self.products) = (which, products);
        self.finish(out);
    }

    /// The same for rows whose scores are known.
    pub(super) fn sift_scored(
        &mut self,
        codes: &Codes,
        query: &QueryCode,
        k: usize,
        scored: impl Iterator<Item = (u32, f32)>,
        out: &mut Vec<u32>,
    ) {
        self.restart(k);
        let (bytes, error) = (codes.rows(), codes.error(query));
        scored.for_each(|(row, score)| self.offer(Bounds::new(row, score, error.of(bytes.row(row)))));
        self.finish(out);
    }

    fn restart(&mut self, k: usize) {
        self.kept.clear();
        (self.k, self.room, self.floor) = (k, k.saturating_mul(2).max(TOGETHER), f32::NEG_INFINITY);
    }

    fn finish(&mut self, out: &mut Vec<u32>) {
        self.sift();
        out.extend(self.kept.iter().map(|bounds| bounds.row));
    }

    #[inline]
    fn offer(&mut self, bounds: Bounds) {
        if bounds.high < self.floor {
            return;
        }
        self.kept.push(bounds);
        if self.kept.len() >= self.room {
            self.sift();
            // Where nearly all are alike, sifting often would cost the square of their number.
            self.room = self.room.max(self.kept.len().saturating_mul(2));
        }
    }

    fn sift(&mut self) {
        if self.k == 0 {
            self.kept.clear();
        }
        if self.kept.len() < self.k.max(1) {
            return;
        }
        let (_, worst, _) = self.kept.select_nth_unstable_by(self.k - 1, |a, b| b.low.total_cmp(&a.low));
        self.floor = self.floor.max(worst.low);
        self.kept.retain(|bounds| bounds.high >= self.floor);
    }
}
