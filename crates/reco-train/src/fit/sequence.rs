//! Fitting transitions: what follows what.

use super::{FitError, bad};
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::candidate::top_k;
use reco_core::event::ActionWeights;
use reco_core::id::ItemId;
use reco_core::interactions::InteractionLog;
use reco_core::retrieve::neighbors::Neighbors;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Parameters of transitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SequenceParams {
    /// Transitions kept per item, 1 to 10,000.
    pub neighbors: usize,
    /// How many events back still count as followed by an event, 1 to 1,000.
    pub window: usize,
    /// What a transition counts for each event further back, above 0 and at most 1.
    pub decay: f32,
    /// Added to the denominator, so that a transition seen once is not called certain; at least 0.
    pub shrinkage: f32,
}

impl Default for SequenceParams {
    fn default() -> Self {
        Self { neighbors: 100, window: 10, decay: 0.8, shrinkage: 5.0 }
    }
}

impl SequenceParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, line: String| {
            if !fine {
                problems.push(line);
            }
        };
        check((1..=10_000).contains(&self.neighbors), bad("neighbors", self.neighbors, "1 to 10000"));
        check((1..=1_000).contains(&self.window), bad("window", self.window, "1 to 1000"));
        check(self.decay > 0.0 && self.decay <= 1.0, bad("decay", self.decay, "above 0 and at most 1"));
        check(
            self.shrinkage.is_finite() && self.shrinkage >= 0.0,
            bad("shrinkage", self.shrinkage, "a finite number not below 0"),
        );
        problems
    }
}

/// For every item those that follow it, by decayed counts over the geometric mean of how often the one is
/// followed and the other follows (weighted sequential rules as in Ludewig & Jannach, "Evaluation of
/// Session-based Recommendation Algorithms", UMUAI 2018, section 3.1). Data without times is taken in the order of its rows.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range.
pub fn fit(
    log: &InteractionLog,
    n_items: usize,
    weights: &ActionWeights,
    params: &SequenceParams,
    progress: &dyn Progress,
) -> Result<Neighbors, FitError> {
    FitError::check("sequence", params.problems())?;
    progress.begin("sequence", n_items as u64);
    let mut follows: Vec<FxHashMap<u32, f32>> = vec![FxHashMap::default(); n_items];
    for (from, to, weight) in transitions(log, weights, params) {
        *follows[from as usize].entry(to).or_default() += weight;
    }
    let (mut out, mut into) = (vec![0.0f32; n_items], vec![0.0f32; n_items]);
    for (from, row) in follows.iter().enumerate() {
        // In order, since sums depend on it and maps have none.
        let mut row: Vec<(u32, f32)> = row.iter().map(|(&to, &count)| (to, count)).collect();
        row.sort_unstable_by_key(|cell| cell.0);
        for (to, count) in row {
            out[from] += count;
            into[to as usize] += count;
        }
    }
    let lists = follows.into_par_iter().enumerate().map(|(from, row)| {
        let strength = |(to, count): (u32, f32)| {
            (count / ((out[from] * into[to as usize]).sqrt() + params.shrinkage), ItemId::new(to))
        };
        let mut rows: Vec<(f32, ItemId)> = row.into_iter().map(strength).collect();
        top_k(&mut rows, params.neighbors);
        progress.advance(1);
        rows
    });
    let neighbors = Neighbors::new(lists.collect::<Vec<_>>());
    progress.end(&format!("up to {} transitions for {n_items} items", params.neighbors));
    Ok(neighbors)
}

/// All (from, to, decayed weight) within the window of one user, user by user.
fn transitions(
    log: &InteractionLog,
    weights: &ActionWeights,
    params: &SequenceParams,
) -> impl Iterator<Item = (u32, u32, f32)> {
    let weight = log.weights(weights);
    let mut rows: Vec<usize> = (0..log.len()).filter(|&row| weight[row] > 0.0).collect();
    rows.sort_by_key(|&row| (log.user[row], log.at[row]));
    let events: Vec<(u32, u32)> = rows.into_iter().map(|row| (log.user[row], log.item[row].raw())).collect();
    let (window, decay) = (params.window, params.decay);
    (0..events.len()).flat_map(move |at| {
        let (user, to) = events[at];
        let before = events[..at].iter().rev().take(window).take_while(|event| event.0 == user);
        let found: Vec<(u32, u32, f32)> = before
            .zip(0i32..)
            .filter(|((_, from), _)| *from != to)
            .map(|(&(_, from), gap)| (from, to, decay.powi(gap)))
            .collect();
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use reco_core::event::Action;
    use reco_core::time::Timestamp;

    fn log(events: &[(&str, u32, i64)]) -> InteractionLog {
        let mut log = InteractionLog::default();
        for &(user, item, at) in events {
            let user = log.users.intern(user);
            log.push(user, ItemId::new(item), &Action::View, None, Timestamp::from_secs(at));
        }
        log
    }

    #[test]
    fn equals_the_formula_and_knows_directions() {
        // Ann 0 1 2, out of order in the file; bob 0 1.
        let log = log(&[("ann", 1, 20), ("ann", 0, 10), ("bob", 0, 5), ("ann", 2, 30), ("bob", 1, 6)]);
        let params = SequenceParams { decay: 0.5, shrinkage: 1.0, ..SequenceParams::default() };
        let neighbors = fit(&log, 3, &ActionWeights::default(), &params, &Silent).unwrap();
        let strength = |from, to| neighbors.similarity(ItemId::new(from), ItemId::new(to));
        // 0 -> 1 twice, 0 -> 2 once two steps apart, 1 -> 2 once.
        assert!((strength(0, 1) - 2.0 / ((2.5f32 * 2.0).sqrt() + 1.0)).abs() < 1e-6);
        assert!((strength(0, 2) - 0.5 / ((2.5f32 * 1.5).sqrt() + 1.0)).abs() < 1e-6);
        assert!((strength(1, 2) - 1.0 / (1.5f32.sqrt() + 1.0)).abs() < 1e-6);
        assert!(strength(1, 0) == 0.0 && strength(2, 0) == 0.0);
    }

    #[test]
    fn what_lies_beyond_the_window_does_not_count() {
        let log = log(&[("ann", 0, 1), ("ann", 1, 2), ("ann", 2, 3)]);
        let params = SequenceParams { window: 1, ..SequenceParams::default() };
        let neighbors = fit(&log, 3, &ActionWeights::default(), &params, &Silent).unwrap();
        assert!(neighbors.similarity(ItemId::new(0), ItemId::new(2)) == 0.0);
        assert!(neighbors.similarity(ItemId::new(1), ItemId::new(2)) > 0.0);
    }
}
