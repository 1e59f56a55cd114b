//! A pipeline over earlier data, and who came back later: what rankers learn from.

use super::FitError;
use super::blend;
use super::snapshot::{Plan, models};
use crate::data::{Dataset, Division, Split, split};
use crate::progress::Progress;
use reco_core::candidate::Candidates;
use reco_core::event::ActionWeights;
use reco_core::id::{ItemId, ItemKey};
use reco_core::pipeline::{BuildError, Recommender, RecommenderBuilder};
use reco_core::query::Query;
use reco_core::rank::BlendModels;
use reco_core::request::{Context, Request};
use reco_core::snapshot::Snapshot;
use reco_core::time::{ManualClock, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes the pipeline that is to serve a snapshot.
pub type Assemble<'a> = dyn Fn(Snapshot) -> Result<RecommenderBuilder, BuildError> + 'a;

/// The latest share of the interactions is held out, models are fitted to the rest, and the pipeline is asked at
/// the cut for the users of the latest share: whatever it is told, it knew then.
pub(super) struct Rehearsal {
    recommender: Recommender,
    asked_at: Timestamp,
    /// Rows of users that the earlier data knows, with what they then took; items ascend.
    pub(super) took: Vec<(u32, Vec<ItemId>)>,
}

impl Rehearsal {
    /// Fewer users than these teach nothing that holds for others.
    pub(super) const FEWEST_USERS: usize = 50;

    /// Fits all models of the plan but rankers to the earlier data; `None` for too few users on both sides of the
    /// cut.
    pub(super) fn new(
        dataset: &Dataset,
        plan: &Plan,
        held_out: f64,
        assemble: &Assemble<'_>,
        weights: &ActionWeights,
        progress: &dyn Progress,
    ) -> Result<Option<Self>, FitError> {
        let Some((earlier, asked_at, took)) = divide(dataset, plan, held_out, weights) else {
            return Ok(None);
        };
        let snapshot = models(None, earlier, plan, weights, "rehearsal", progress)?;
        let clock = ManualClock::starting_at(asked_at);
        let recommender = assemble(snapshot)?.pool(1, 1).clock(Arc::new(clock)).build()?;
        Ok(Some(Self { recommender, asked_at, took }))
    }

    /// What the models knew at the cut.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.recommender.snapshot()
    }

    /// What the pipeline would choose from. Filters count: what it would not show teaches nothing.
    pub(super) fn ask(&self, request: Request) -> Result<(Arc<Query>, Candidates), FitError> {
        Ok(self.recommender.candidates_now(request.explain(false))?)
    }

    /// A request of a user of the earlier data.
    pub(super) fn of_regular(&self, user: u32) -> Request {
        let key = self.snapshot().users.keys()[user as usize].clone();
        Request::for_user(key).context(self.context())
    }

    /// The same user as if only a few of their latest items were known.
    pub(super) fn of_newcomer(&self, user: u32) -> Request {
        let session_items = some_latest(&self.snapshot(), user);
        Request::for_user("").context(Context { session_items, ..self.context() })
    }

    /// Somebody of whom nothing is known.
    pub(super) fn of_stranger(&self) -> Request {
        Request::for_user("").context(self.context())
    }

    fn context(&self) -> Context {
        Context { time: Some(self.asked_at), ..Context::default() }
    }
}

/// The earlier data, the cut, and who came back after it with what they took; `None` for too few.
#[expect(clippy::type_complexity, reason = "one caller takes it apart at once")]
fn divide(
    dataset: &Dataset,
    plan: &Plan,
    held_out: f64,
    weights: &ActionWeights,
) -> Option<(Dataset, Timestamp, Vec<(u32, Vec<ItemId>)>)> {
    let log = &dataset.log;
    let seed = plan.als.as_ref().map_or(0, |als| als.seed);
    let how = if log.has_times() { Split::Time { test_share: held_out } } else { Split::AnyOne { seed } };
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
    if took.len() < Rehearsal::FEWEST_USERS {
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
    Some((earlier, asked_at, took))
}

/// The user's latest items as the session of somebody new, oldest first: one, two and so on, in turn.
fn some_latest(snapshot: &Snapshot, user: u32) -> Vec<ItemKey> {
    let n_items = 1 + user as usize % (BlendModels::FEW - 1);
    let latest = snapshot.histories.of(user).iter().filter(|touch| touch.is_liked()).take(n_items);
    let mut keys: Vec<ItemKey> = latest.map(|touch| snapshot.catalog.key(touch.item).clone()).collect();
    keys.reverse();
    keys
}
