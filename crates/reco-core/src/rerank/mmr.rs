//! Diversity by maximal marginal relevance.

use super::{Reranker, attribute_similarity};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;

/// Fills the page greedily with what is relevant and unlike what is there already (Carbonell &
/// Goldstein, SIGIR 1998): the next item maximises lambda * relevance - (1 - lambda) * its largest
/// attribute similarity to an item above it. Relevance is the score, scaled to 0..1.
#[derive(Clone, Copy, Debug)]
pub struct Mmr {
    /// 1 changes nothing, 0 ignores relevance.
    pub lambda: f32,
}

impl Mmr {
    /// How many candidates a place chooses from.
    const WINDOW: usize = 100;
}

impl Reranker for Mmr {
    fn name(&self) -> &'static str {
        "mmr"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
        if self.lambda >= 1.0 || set.len() < 2 {
            return Ok(());
        }
        let finite = set.scores().iter().filter(|score| score.is_finite()).count();
        let n_rows = finite.min(Self::WINDOW.max(want));
        let catalog = &query.snapshot.catalog;
        let relevance = scaled(&set.scores()[..n_rows]);
        // The largest similarity of each row to the rows taken so far.
        let mut crowding = vec![0.0f32; n_rows];
        let mut left: Vec<u32> = (0..n_rows as u32).collect();
        let mut order = Vec::with_capacity(set.len());
        while order.len() < want && !left.is_empty() {
            let gain = |row: u32| {
                self.lambda * relevance[row as usize] - (1.0 - self.lambda) * crowding[row as usize]
            };
            let best =
                (0..left.len()).max_by(|&a, &b| gain(left[a]).total_cmp(&gain(left[b])).then(b.cmp(&a)));
            let Some(best) = best else { break };
            let taken = left.remove(best);
            order.push(taken);
            for &row in &left {
                let alike = attribute_similarity(catalog, set.ids()[row as usize], set.ids()[taken as usize]);
                let crowd = &mut crowding[row as usize];
                *crowd = crowd.max(alike);
            }
        }
        order.extend(left);
        order.extend(n_rows as u32..set.len() as u32);
        set.select(&order);
        Ok(())
    }
}

/// Scores in descending order, scaled to 0..1.
fn scaled(scores: &[f32]) -> Vec<f32> {
    let (high, low) = scores.iter().fold((f32::MIN, f32::MAX), |(high, low), &s| (high.max(s), low.min(s)));
    let range = (high - low).max(f32::MIN_POSITIVE);
    scores.iter().map(|score| (score - low) / range).collect()
}
