//! Ranking by learned weights of the generators.

use super::{Ranker, VoteRanker, VoteWeights};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::query::Query;
use crate::request::Surface;
use serde::{Deserialize, Serialize};

/// How much to trust each source, learned from what people then took.
///
/// A source's opinion of an item is seen from several sides ([`Opinion`]), for scores tell more than ranks
/// where their scale can be trusted, and ranks more where it cannot. An item's score is the weighted sum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlendModel {
    sources: Vec<SourceWeights>,
}

/// A source and what each side of its opinion weighs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceWeights {
    /// The source's name.
    pub source: String,
    /// One weight per value of [`Opinion`].
    pub weights: [f32; Opinion::SIDES],
}

/// What a source thinks of an item: the share of its best score, at most 1; the logarithm of one plus its
/// score, where that is above 0; two votes by rank, 1 for the best item, that fall fast and slowly; the score in
/// standard deviations above the mean of the candidates; and how many times over its rank could be had among them,
/// as a logarithm. All are 0 for an item that the source has nothing to say about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Opinion(pub [f32; Opinion::SIDES]);

impl Opinion {
    /// Sides of an opinion.
    pub const SIDES: usize = 6;

    /// The first of them so many are told by an item's score and rank and the source's best score; the others by how it
    /// stands among all candidates, which takes a source that speaks of all.
    pub const PLAIN: usize = 4;

    /// Ranks at which the two votes by rank have halved.
    const HALF_RANKS: [f32; 2] = [3.0, 30.0];

    /// What the best of a hundred items mostly is, whatever its score is measured in.
    const FIRST_PLACE: Self = Self([1.0, 0.0, 1.0, 1.0, 2.0, 4.6]);

    /// Of the item at `rank`, 0 for the best, whose score is `score`, where those of all candidates spread so.
    pub fn new(rank: u32, score: f32, spread: &Spread) -> Self {
        let Spread { top, mean, deviation, n_ranked } = *spread;
        let [share, size, standard] = if score.is_finite() {
            let share = if top > 0.0 { (score / top).clamp(-1.0, 1.0) } else { 0.0 };
            [share, score.max(0.0).ln_1p(), (score - mean) / deviation]
        } else {
            [0.0; 3]
        };
        let [early, late] = Self::HALF_RANKS.map(|half| 1.0 / (1.0 + rank as f32 / half));
        let lead = ((n_ranked as f32 + 1.0) / (rank as f32 + 1.0)).ln().max(0.0);
        Self([share, size, early, late, standard, lead])
    }

    /// The score in standard deviations above the mean of the candidates.
    pub fn standard(&self) -> f32 {
        self.0[4]
    }
}

/// How a source's scores of the candidates spread: what its opinion of each is measured by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    top: f32,
    mean: f32,
    deviation: f32,
    n_ranked: u32,
}

impl Spread {
    /// Of these scores, where so many items have ranks. What is not finite does not count.
    pub fn of(scores: impl Iterator<Item = f32> + Clone, n_ranked: u32) -> Self {
        let scores = scores.filter(|score| score.is_finite());
        let n = scores.clone().count().max(1) as f64;
        let mean = scores.clone().map(f64::from).sum::<f64>() / n;
        let variance = scores.clone().map(|score| (f64::from(score) - mean).powi(2)).sum::<f64>() / n;
        // Equal scores deviate by nothing, which divides nothing.
        let least = 1e-6 * mean.abs().max(f64::from(f32::MIN_POSITIVE) * 1e6);
        let top = scores.fold(0.0, f32::max);
        Self { top, mean: mean as f32, deviation: variance.sqrt().max(least) as f32, n_ranked }
    }
}

/// The blends of a snapshot: how far a source can be trusted depends on how much is known of who asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlendModels {
    /// For those of whom nothing is known.
    pub strangers: Option<BlendModel>,
    /// For those who took something, but fewer than [`Self::FEW`] items.
    pub newcomers: Blends,
    /// For all others.
    pub regulars: Blends,
}

/// The blends for people of whom something is known: where what they had may come again, that outshines all
/// else, and the weights say little of how to order what is new to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Blends {
    /// For lists with something that they had before.
    pub with_repeats: Option<BlendModel>,
    /// For lists of nothing but what is new to them.
    pub all_new: Option<BlendModel>,
}

impl BlendModels {
    /// The snapshot's name for them.
    pub const NAME: &'static str = "blend";

    /// Items from which on somebody is a regular.
    pub const FEW: usize = 5;

    /// The blend for who asks and what may be shown to them.
    pub fn of(&self, query: &Query, set: &Candidates) -> Option<&BlendModel> {
        let blends = match query.anchors().len() {
            0 => return self.strangers.as_ref(),
            n_liked if n_liked < Self::FEW => &self.newcomers,
            _ => &self.regulars,
        };
        let is_repeated = set.ids().iter().any(|&id| query.had(id).is_some());
        if is_repeated { blends.with_repeats.as_ref() } else { blends.all_new.as_ref() }
    }
}

impl BlendModel {
    /// From the weights of every source.
    pub fn new(sources: Vec<SourceWeights>) -> Self {
        Self { sources }
    }

    /// The weights of every source.
    pub fn sources(&self) -> &[SourceWeights] {
        &self.sources
    }

    /// The weights of one source; `None` for one it was not learned with.
    pub fn weights_of(&self, source: &str) -> Option<&[f32; Opinion::SIDES]> {
        self.sources.iter().find(|known| known.source == source).map(|known| &known.weights)
    }

    /// Overwrites `logits` with the sum of the weighted opinions of every candidate; no number for what no source
    /// proposed.
    fn logits(&self, set: &Candidates, logits: &mut [f32]) {
        let weights = self.weights_for(set);
        logits.fill(f32::NAN);
        for (row, source, opinion) in opinions(set) {
            let sum = if logits[row].is_nan() { 0.0 } else { logits[row] };
            logits[row] = sum + voted(&weights[source], opinion);
        }
    }

    /// Overwrites `shares` with the logarithm of every candidate's share of the odds of all: of the probability that
    /// it is the one taken, if one is. No number for what no source proposed.
    ///
    /// # Panics
    ///
    /// Panics when there are not as many shares as candidates.
    pub fn log_shares(&self, set: &Candidates, shares: &mut [f32]) {
        assert_eq!(shares.len(), set.len(), "a share per candidate");
        self.logits(set, shares);
        let whole = log_sum_exp(shares.iter().copied());
        shares.iter_mut().for_each(|share| *share -= whole);
    }

    /// Overwrites `scores` with e to the logits; 0 for what no source proposed.
    fn odds(&self, set: &Candidates, scores: &mut [f32]) {
        self.logits(set, scores);
        let odds = |logit: f32| if logit.is_nan() { 0.0 } else { logit.min(MOST).exp() };
        scores.iter_mut().for_each(|score| *score = odds(*score));
    }

    /// The weights of each source of a set.
    fn weights_for(&self, set: &Candidates) -> Vec<[f32; Opinion::SIDES]> {
        let stranger = self.weights_of_a_stranger();
        set.sources().iter().map(|name| *self.weights_of(name).unwrap_or(&stranger)).collect()
    }

    /// The weights of a source it was not learned with: nothing is known of the scale of its scores, so its
    /// first place counts as much as that of an average source, by rank alone.
    fn weights_of_a_stranger(&self) -> [f32; Opinion::SIDES] {
        let first_places = self.sources.iter().map(|known| voted(&known.weights, Opinion::FIRST_PLACE));
        let mean = first_places.sum::<f32>() / self.sources.len().max(1) as f32;
        let each = mean.max(0.0) / 2.0;
        [0.0, 0.0, each, each, 0.0, 0.0]
    }
}

/// What an opinion adds to an item's score.
pub fn voted(weights: &[f32; Opinion::SIDES], opinion: Opinion) -> f32 {
    weights.iter().zip(opinion.0).map(|(weight, value)| weight * value).sum()
}

/// The logarithm of the sum of e to each of these, without those that are no number.
fn log_sum_exp(logits: impl Iterator<Item = f32> + Clone) -> f32 {
    let known = || logits.clone().filter(|logit| !logit.is_nan());
    let top = known().fold(f32::NEG_INFINITY, f32::max);
    if top.is_finite() { top + known().map(|logit| (logit - top).exp()).sum::<f32>().ln() } else { 0.0 }
}

/// Sums beyond it say nothing more, and e to their power would leave the finite numbers.
const MOST: f32 = 80.0;

/// Every opinion there is on the candidates of a set, as row, source and opinion, source by source. Scores and ranks
/// count among the candidates of this set; of a source that assessed none of them, its hits speak, with the ranks
/// they had. Serving and learning both see candidates through this.
pub fn opinions(set: &Candidates) -> impl Iterator<Item = (usize, usize, Opinion)> + '_ {
    of_sources(set, placed)
}

/// The same of what each source proposed itself, by its hits alone.
pub(crate) fn proposals(set: &Candidates) -> impl Iterator<Item = (usize, usize, Opinion)> + '_ {
    of_sources(set, proposed)
}

fn of_sources(
    set: &Candidates,
    placed: fn(&Candidates, usize) -> Vec<Placed>,
) -> impl Iterator<Item = (usize, usize, Opinion)> + '_ {
    (0..set.sources().len()).flat_map(move |source| {
        let placed = placed(set, source);
        let n_ranked = placed.iter().map(|row| row.rank + 1).max().unwrap_or(0);
        let spread = Spread::of(placed.iter().map(|row| row.score), n_ranked);
        placed
            .into_iter()
            .map(move |Placed { row, rank, score }| (row, source, Opinion::new(rank, score, &spread)))
    })
}

/// A row of a set as one source sees it.
struct Placed {
    row: usize,
    rank: u32,
    score: f32,
}

/// What a source has to say about the rows of a set. Of equal assessments all have the rank of the last:
/// what a source finds nothing for, it says nothing for.
fn placed(set: &Candidates, source: usize) -> Vec<Placed> {
    let assessed = (0..set.len()).filter_map(|row| Some((row, set.assessment(row, source)?)));
    let mut placed: Vec<Placed> = assessed.map(|(row, score)| Placed { row, rank: 0, score }).collect();
    if placed.is_empty() {
        return proposed(set, source);
    }
    placed.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
    let mut last = placed.len() as u32;
    for equals in placed.chunk_by_mut(|a, b| a.score.total_cmp(&b.score).is_eq()).rev() {
        equals.iter_mut().for_each(|row| row.rank = last - 1);
        last -= equals.len() as u32;
    }
    placed
}

/// What a source proposed, as it placed it.
fn proposed(set: &Candidates, source: usize) -> Vec<Placed> {
    let hits = (0..set.len()).filter_map(|row| Some((row, set.hit(row, source)?)));
    hits.map(|(row, hit)| Placed { row, rank: hit.rank, score: hit.score }).collect()
}

/// Scores by the snapshot's [`BlendModels`]: e to the sum of the weighted opinions, so that an item of twice the
/// score is twice as likely to be taken (the softmax that the weights were learned with), and rules that raise a
/// score by a tenth raise these odds by a tenth. By the votes of the sources where the snapshot has none, and on
/// pages of similar items: what people take says nothing about what is alike.
#[derive(Clone, Debug, Default)]
pub struct BlendRanker {
    votes: VoteRanker,
}

impl BlendRanker {
    /// With these weights for the votes.
    pub fn new(votes: VoteWeights) -> Self {
        Self { votes: VoteRanker::new(votes) }
    }
}

impl Ranker for BlendRanker {
    fn name(&self) -> &'static str {
        BlendModels::NAME
    }

    fn score(&self, query: &Query, set: &Candidates, scores: &mut [f32]) -> Result<(), Fault> {
        let models = query.snapshot.models.get::<BlendModels>(BlendModels::NAME);
        match (models.and_then(|models| models.of(query, set)), &query.request.surface) {
            (None, _) | (_, Surface::Similar(_)) => self.votes.score(query, set, scores),
            (Some(model), _) => {
                model.odds(set, scores);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::SourceHit;
    use crate::conformance;
    use crate::fixture;
    use crate::id::ItemId;
    use crate::request::{Context, Request};
    use crate::snapshot::Snapshot;
    use std::sync::Arc;

    #[test]
    fn opinions_fall_with_rank_and_score() {
        let check = |rank, score, others: &[f32], want: [f32; Opinion::SIDES]| {
            let found = Opinion::new(rank, score, &Spread::of(others.iter().copied(), 31)).0;
            assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} is not {want:?}");
        };
        let others = [5.0, 3.0, 1.0, 3.0, f32::NAN];
        check(0, 5.0, &others, [1.0, 6f32.ln(), 1.0, 1.0, 2f32.sqrt(), 32f32.ln()]);
        check(3, 2.5, &others, [0.5, 3.5f32.ln(), 0.5, 1.0 / 1.1, -0.125f32.sqrt(), 8f32.ln()]);
        check(30, f32::NAN, &others, [0.0, 0.0, 1.0 / 11.0, 0.5, 0.0, (32f32 / 31.0).ln()]);
        // A source that likes nothing has no best, and one that has seen more ranks than there are lost some.
        check(0, -1.0, &[-1.0], [0.0, 0.0, 1.0, 1.0, 0.0, 32f32.ln()]);
        check(90, 0.1, &[0.1; 7], [1.0, 1.1f32.ln(), 1.0 / 31.0, 0.25, 0.0, 0.0]);
    }

    /// Of two sources one assesses all items, the other proposes alone.
    #[test]
    fn of_a_source_that_assesses_ranks_count_among_the_candidates() {
        let mut set = set();
        let sides = |set: &Candidates, source: usize| -> Vec<(usize, [f32; Opinion::SIDES])> {
            let of_source = opinions(set).filter(|row| row.1 == source);
            of_source.map(|(row, _, opinion)| (set.ids()[row].index(), opinion.0)).collect()
        };
        let before = sides(&set, 1);
        set.assess(0, &[0, 1, 2], &[8.0, f32::NAN, 4.0]);
        assert_eq!(sides(&set, 1), before, "the other one is as it was");
        let early_percent = |set: &Candidates| -> Vec<(usize, f32)> {
            sides(set, 0).into_iter().map(|(item, sides)| (item, (sides[2] * 100.0).round())).collect()
        };
        assert_eq!(
            early_percent(&set),
            [(3, 100.0), (4, 60.0), (5, 60.0)],
            "equals share the last rank; a hit stands"
        );
        set.select(&[2, 1]);
        assert_eq!(early_percent(&set), [(5, 75.0), (4, 75.0)]);
    }

    #[test]
    fn shares_of_the_odds_sum_to_one_over_what_was_proposed() {
        let weights =
            |source: &str, each| SourceWeights { source: source.to_owned(), weights: [each; Opinion::SIDES] };
        let model = BlendModel::new(vec![weights("als", 0.7), weights("mine", 0.2)]);
        let mut set = set();
        set.append(ItemId::new(9), 0.0);
        let (mut shares, mut odds) = (vec![0.0; 4], vec![0.0; 4]);
        model.log_shares(&set, &mut shares);
        model.odds(&set, &mut odds);
        assert!(shares[3].is_nan(), "nobody proposed it");
        assert!((shares[..3].iter().map(|share| share.exp()).sum::<f32>() - 1.0).abs() < 1e-5, "{shares:?}");
        let first = odds[0];
        for (share, odds) in shares.iter().zip(&odds).take(3) {
            assert!((share.exp() / shares[0].exp() - odds / first).abs() < 1e-5);
        }
    }

    fn set() -> Candidates {
        let mut set = Candidates::new([Arc::from("als"), Arc::from("mine")].into());
        for (item, source, rank, score) in [(3, 0, 0, 8.0), (4, 0, 3, 4.0), (5, 1, 0, 9.0)] {
            let row = set.append(ItemId::new(item), 0.0);
            set.propose(row, source, SourceHit { rank, score }, 0.0);
        }
        set
    }

    fn scores(request: Request, snapshot: Snapshot) -> Vec<f32> {
        let (ranker, set, query) = (BlendRanker::default(), set(), fixture::query_of(request, snapshot));
        conformance::ranker(&ranker, &query, &set);
        let mut scores = vec![0.0; set.len()];
        ranker.score(&query, &set, &mut scores).unwrap();
        scores
    }

    #[test]
    fn learned_weights_score_and_a_source_they_do_not_know_counts_by_rank() {
        let model = |weights| Some(BlendModel::new(vec![SourceWeights { source: "als".into(), weights }]));
        let sums = |request| {
            let blends = Blends {
                with_repeats: model([2.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
                all_new: model([0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
            };
            let models = BlendModels {
                newcomers: blends.clone(),
                regulars: blends,
                strangers: model([0.0; Opinion::SIDES]),
            };
            let mut snapshot = fixture::snapshot();
            snapshot.models.insert(BlendModels::NAME, models);
            scores(request, snapshot).into_iter().map(f32::ln).collect::<Vec<f32>>()
        };
        let check = |request, expected: [f32; 3]| {
            let sums = sums(request);
            let is_near = sums.iter().zip(expected).all(|(sum, expected)| (sum - expected).abs() < 1e-5);
            assert!(is_near, "{sums:?} is not {expected:?}");
        };
        let session = |item: &str| {
            let context = Context { session_items: vec![item.into()], ..Context::default() };
            Request::for_user("nobody").context(context)
        };
        // Of the items 3, 4 and 5, ann had the last.
        check(Request::for_user("ann"), [3.0, 1.5, 3.0]);
        check(session("item4"), [3.0, 1.5, 3.0]);
        check(session("item9"), [1.0, 0.5, 1.0]);
        check(Request::for_user("nobody"), [0.0; 3]);
    }

    #[test]
    fn without_weights_to_go_by_the_votes_decide() {
        let mut votes = vec![0.0; 3];
        let query = fixture::query(Request::for_user("ann"));
        VoteRanker::default().score(&query, &set(), &mut votes).unwrap();
        assert_eq!(scores(Request::for_user("ann"), fixture::snapshot()), votes);
        let learned = || {
            let mut snapshot = fixture::snapshot();
            let both =
                Blends { with_repeats: Some(BlendModel::default()), all_new: Some(BlendModel::default()) };
            let models = BlendModels { newcomers: both.clone(), regulars: both, strangers: None };
            snapshot.models.insert(BlendModels::NAME, models);
            snapshot
        };
        assert_eq!(scores(Request::for_user("nobody"), learned()), votes, "nothing is learned for strangers");
        let snapshot = learned();
        let similar = Surface::Similar(snapshot.catalog.key(ItemId::new(3)).clone());
        assert_eq!(scores(Request::for_user("ann").surface(similar), snapshot), votes);
    }
}
