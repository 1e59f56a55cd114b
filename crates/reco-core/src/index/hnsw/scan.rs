//! The best of many points, looked at one after the other.

use super::super::codes::Codes;
use super::walk::{Near, Walk};

/// The nearest points seen, as many as asked: a buffer twice as long with a rising threshold, so that
/// almost all points cost one comparison.
#[derive(Clone, Debug, Default)]
pub(super) struct Best {
    kept: Vec<Near>,
    limit: usize,
    /// Once `limit` points are kept: the worst of them.
    worst: Option<Near>,
}

/// Points scored together.
const TOGETHER: usize = 256;

impl Best {
    /// Forgets all and keeps the memory; `limit` is above 0.
    pub(super) fn restart(&mut self, limit: usize) {
        self.kept.clear();
        self.limit = limit;
        self.worst = None;
    }

    /// The best, best first.
    pub(super) fn finish(&mut self) -> &[Near] {
        self.kept.sort_unstable_by(|a, b| a.order(*b));
        self.kept.truncate(self.limit);
        &self.kept
    }

    fn offer(&mut self, near: Near) {
        if self.worst.is_some_and(|worst| !near.before(worst)) {
            return;
        }
        self.kept.push(near);
        if self.kept.len() == 2 * self.limit {
            let (_, worst, _) = self.kept.select_nth_unstable_by(self.limit - 1, |a, b| a.order(*b));
            self.worst = Some(*worst);
            self.kept.truncate(self.limit);
        }
    }
}

impl Walk {
    /// Offers all `points` to `best`.
    pub(super) fn scan(&mut self, codes: &Codes, points: impl Iterator<Item = u32>, best: &mut Best) {
        let mut points = points.peekable();
        while points.peek().is_some() {
            self.score_all(codes, points.by_ref().take(TOGETHER), |near| best.offer(near));
        }
    }
}
