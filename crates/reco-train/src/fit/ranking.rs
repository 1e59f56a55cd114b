//! Learning to order what a pipeline proposes.

use super::FitError;
use super::blend::{self, BlendParams, Lists};
use super::snapshot::{Plan, models};
use crate::data::{Dataset, Division, Split, split};
use crate::progress::{Prefixed, Progress};
use rayon::prelude::*;
use reco_core::candidate::Candidates;
use reco_core::event::ActionWeights;
use reco_core::id::{ItemId, ItemKey};
use reco_core::pipeline::{BuildError, RecommenderBuilder};
use reco_core::query::Query;
use reco_core::rank::{BlendModel, BlendModels, Blends, Opinion, opinions};
use reco_core::request::{Context, Request};
use reco_core::snapshot::Snapshot;
use reco_core::time::{ManualClock, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes the pipeline that is to serve a snapshot.
pub type Assemble<'a> = dyn Fn(Snapshot) -> Result<RecommenderBuilder, BuildError> + 'a;

/// Fewer users than these teach nothing that holds for others.
const FEWEST_USERS: usize = 50;

/// Learns how far to trust each source of a pipeline: the latest share of the interactions is held out, models
/// are fitted to the rest, the pipeline proposes to the users of the latest share, and the weights are those
/// that put what they then took first. Filters count: what the pipeline would not show teaches nothing.
///
/// The same users are asked about as if less were known of them, for whom other sources are left to speak; and
/// what they had before is left out, to learn how far to trust a source with what is new.
/// `None` for data with too few users on both sides of the cut; the pipeline then ranks by votes.
pub(super) fn learn(
    dataset: &Dataset,
    plan: &Plan,
    params: &BlendParams,
    assemble: &Assemble<'_>,
    weights: &ActionWeights,
    progress: &dyn Progress,
) -> Result<Option<BlendModels>, FitError> {
    let Some((earlier, takers)) = held_out(dataset, plan, params, weights) else {
        progress.begin("blend", 0);
        progress.end(&format!(
            "left out, for fewer than {FEWEST_USERS} users came back after the cut; votes rank"
        ));
        return Ok(None);
    };
    let snapshot = models(None, earlier, plan, weights, "blend", &Prefixed::new("for blend: ", progress))?;
    let clock = ManualClock::starting_at(takers.asked_at);
    let recommender = assemble(snapshot)?.pool(1, 1).clock(Arc::new(clock)).build()?;
    let snapshot = recommender.snapshot();
    progress.begin("blend", 2 * takers.took.len() as u64);
    let context = Context { time: Some(takers.asked_at), ..Context::default() };
    let asked = |request: Request| recommender.candidates_now(request.explain(false));
    let learned_from = |request: &(dyn Fn(u32) -> Request + Sync)| -> Result<_, FitError> {
        let of_user = |(user, took): &(u32, Vec<ItemId>)| {
            progress.advance(1);
            let (query, set) = asked(request(*user))?;
            Ok(with_and_without_repeats(&query, set, took))
        };
        let lists: Result<Vec<_>, FitError> = takers.took.par_iter().map(of_user).collect();
        let (with_repeats, all_new): (Vec<_>, Vec<_>) = lists?.into_iter().unzip();
        let with_repeats: Vec<Proposed> = with_repeats.into_iter().flatten().collect();
        Ok(Blends { with_repeats: weighed(&with_repeats, params)?, all_new: weighed(&all_new, params)? })
    };
    // Strangers are all alike, so one answer does for them.
    let (_, to_a_stranger) = asked(Request::for_user("").context(context.clone()))?;
    let to_strangers: Vec<Proposed> =
        takers.took.par_iter().map(|(_, took)| Proposed::new(&to_a_stranger, took)).collect();
    let models = BlendModels {
        strangers: weighed(&to_strangers, params)?,
        newcomers: learned_from(&|user| {
            let session_items = some_latest(&snapshot, user);
            Request::for_user("").context(Context { session_items, ..context.clone() })
        })?,
        regulars: learned_from(&|user| {
            Request::for_user(snapshot.users.keys()[user as usize].clone()).context(context.clone())
        })?,
    };
    progress.end(&format!("learned from {} users", takers.took.len()));
    Ok(Some(models))
}

/// What was proposed, if something of it was nothing new to the user, and what was.
fn with_and_without_repeats(
    query: &Query,
    mut set: Candidates,
    took: &[ItemId],
) -> (Option<Proposed>, Proposed) {
    let is_new = |row: &u32| query.had(set.ids()[*row as usize]).is_none();
    let new: Vec<u32> = (0..set.len() as u32).filter(is_new).collect();
    let with_repeats = (new.len() < set.len()).then(|| Proposed::new(&set, took));
    set.select(&new);
    (with_repeats, Proposed::new(&set, took))
}

/// Weights of the sources that proposed anything; `None` where nothing that was proposed was taken.
fn weighed(lists: &[Proposed], params: &BlendParams) -> Result<Option<BlendModel>, FitError> {
    let Some(sources) = lists.first().map(|list| Arc::clone(&list.sources)) else { return Ok(None) };
    let mut examples = Lists::new(sources.len() * Opinion::SIDES);
    lists.iter().for_each(|list| examples.push(&list.features, list.n_relevant));
    if examples.len() < FEWEST_USERS {
        return Ok(None);
    }
    let model = blend::model(&sources, &blend::fit(&examples, params)?);
    let spoke = |source: usize| lists.iter().any(|list| list.hears(source));
    let heard = model.sources().iter().zip(0..).filter(|(_, source)| spoke(*source));
    Ok(Some(BlendModel::new(heard.map(|(weights, _)| weights.clone()).collect())))
}

/// Users of the held-out interactions.
struct Takers {
    asked_at: Timestamp,
    /// Rows of users that the earlier data knows, with what they took; items ascend.
    took: Vec<(u32, Vec<ItemId>)>,
}

/// The earlier data and who came back after it; `None` for too few.
fn held_out(
    dataset: &Dataset,
    plan: &Plan,
    params: &BlendParams,
    weights: &ActionWeights,
) -> Option<(Dataset, Takers)> {
    let log = &dataset.log;
    let seed = plan.als.as_ref().map_or(0, |als| als.seed);
    let how =
        if log.has_times() { Split::Time { test_share: params.held_out } } else { Split::AnyOne { seed } };
    let Division { train, test, cut } = split(log, how, weights);
    let weight = log.weights(weights);
    let mut is_known = vec![false; log.users.len()];
    for &row in train.iter().filter(|&&row| weight[row as usize] > 0.0) {
        is_known[log.user[row as usize] as usize] = true;
    }
    let mut took: BTreeMap<u32, Vec<ItemId>> = BTreeMap::new();
    for row in test.into_iter().map(|row| row as usize).filter(|&row| is_known[log.user[row] as usize]) {
        took.entry(log.user[row]).or_default().push(log.item[row]);
    }
    if took.len() < FEWEST_USERS {
        return None;
    }
    let took = blend::sampled(took.into_iter()).map(|(user, mut items)| {
        items.sort_unstable();
        items.dedup();
        (user, items)
    });
    let took = took.collect();
    let earlier = Dataset { catalog: dataset.catalog.clone(), log: log.select(&train), ..Dataset::default() };
    let asked_at = cut.or(earlier.log.span().map(|(_, last)| last)).unwrap_or_default();
    Some((earlier, Takers { asked_at, took }))
}

/// What the pipeline proposed to a user: opinions of all sources row by row, first of what they took.
struct Proposed {
    sources: Arc<[Arc<str>]>,
    features: Vec<f32>,
    n_relevant: usize,
}

impl Proposed {
    fn new(set: &Candidates, took: &[ItemId]) -> Self {
        let is_relevant = |row: usize| took.binary_search(&set.ids()[row]).is_ok();
        let (relevant, others): (Vec<usize>, Vec<usize>) = (0..set.len()).partition(|&row| is_relevant(row));
        let mut place = vec![0; set.len()];
        relevant.iter().chain(&others).zip(0..).for_each(|(&row, to)| place[row] = to);
        let width = set.sources().len() * Opinion::SIDES;
        let mut features = vec![0.0; set.len() * width];
        for (row, source, opinion) in opinions(set) {
            let start = place[row] * width + source * Opinion::SIDES;
            features[start..start + Opinion::SIDES].copy_from_slice(&opinion.0);
        }
        Self { sources: Arc::clone(set.sources()), features, n_relevant: relevant.len() }
    }

    /// Whether a source proposed anything; a vote by rank is never 0.
    fn hears(&self, source: usize) -> bool {
        let (sides, _) = self.features.as_chunks::<{ Opinion::SIDES }>();
        sides.iter().skip(source).step_by(self.sources.len()).flatten().any(|side| *side != 0.0)
    }
}

/// The user's latest items as the session of somebody new, oldest first: one, two and so on, in turn.
fn some_latest(snapshot: &Snapshot, user: u32) -> Vec<ItemKey> {
    let n_items = 1 + user as usize % (BlendModels::FEW - 1);
    let latest = snapshot.histories.of(user).iter().filter(|touch| touch.is_liked()).take(n_items);
    let mut keys: Vec<ItemKey> = latest.map(|touch| snapshot.catalog.key(touch.item).clone()).collect();
    keys.reverse();
    keys
}
