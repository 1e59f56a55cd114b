//! A pipeline over earlier data, and who came back later: what rankers learn from.

use super::blend;
use super::snapshot::{Plan, models};
use super::{FitError, bad};
use crate::data::{Dataset, Division, Split, split};
use crate::progress::Progress;
use reco_core::candidate::Candidates;
use reco_core::event::{Action, ActionWeights};
use reco_core::id::{ItemId, ItemKey};
use reco_core::interactions::InteractionLog;
use reco_core::pipeline::{BuildError, Recommender, RecommenderBuilder};
use reco_core::query::Query;
use reco_core::rank::BlendModels;
use reco_core::request::{Context, Request};
use reco_core::snapshot::Snapshot;
use reco_core::time::{ManualClock, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Makes the pipeline that is to serve a snapshot.
pub type Assemble<'a> = dyn Fn(Snapshot) -> Result<RecommenderBuilder, BuildError> + 'a;

/// How data are cut to learn from what came later.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cuts {
    /// Share of the interactions, the latest, that is held out; above 0 and below 1.
    pub held_out: f64,
    /// Number of cuts, at least 1. What one cut leaves is what the next one cuts, so that every interaction is held
    /// out once at most.
    pub count: usize,
}

impl Cuts {
    /// What is wrong with these cuts, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(self.held_out > 0.0 && self.held_out < 1.0) {
            problems.push(bad("held_out", self.held_out, "above 0 and below 1"));
        }
        if self.count == 0 {
            problems.push(bad("count", self.count, "at least 1"));
        }
        problems
    }
}

/// Rehearsals at several cuts, the earliest first. Only one of them is there at a time: its models may be large.
pub(super) struct Rehearsals<'a> {
    /// The latest first.
    cuts: Vec<Cut>,
    plan: &'a Plan,
    assemble: &'a Assemble<'a>,
    weights: &'a ActionWeights,
}

impl<'a> Rehearsals<'a> {
    /// As many as the cuts that leave enough users on both sides, which may be none.
    pub(super) fn new(
        dataset: &Dataset,
        cuts: Cuts,
        plan: &'a Plan,
        assemble: &'a Assemble<'a>,
        weights: &'a ActionWeights,
    ) -> Self {
        let mut done: Vec<Cut> = Vec::with_capacity(cuts.count);
        while done.len() < cuts.count {
            let left = done.last().map_or(dataset, |later| &later.earlier);
            let Some(cut) = Cut::of(left, plan, cuts.held_out, weights) else { break };
            done.push(cut);
        }
        Self { cuts: done, plan, assemble, weights }
    }

    /// How many are left.
    pub(super) fn len(&self) -> usize {
        self.cuts.len()
    }

    /// Fits all models of the plan but rankers to what came before the next cut; `None` after the latest.
    pub(super) fn next(&mut self, progress: &dyn Progress) -> Result<Option<Rehearsal>, FitError> {
        let Some(Cut { earlier, asked_at, took, came, did, shown }) = self.cuts.pop() else {
            return Ok(None);
        };
        let actions = earlier.log.actions.clone();
        let snapshot = models(None, earlier, self.plan, self.weights, "rehearsal", progress)?;
        let clock = ManualClock::starting_at(asked_at);
        let recommender = (self.assemble)(snapshot)?.pool(1, 1).clock(Arc::new(clock)).build()?;
        let cut = self.cuts.len() as u32;
        Ok(Some(Rehearsal { recommender, cut, asked_at, took, came, did, shown, actions }))
    }
}

/// The latest share of the interactions is held out, models are fitted to the rest, and the pipeline is asked at
/// the cut for the users of the latest share: whatever it is told, it knew then.
pub(super) struct Rehearsal {
    recommender: Recommender,
    /// At which cut of the data: 0 for the latest.
    pub(super) cut: u32,
    asked_at: Timestamp,
    /// Rows of users that the earlier data knows, with what they then took; items ascend.
    pub(super) took: Vec<(u32, Vec<ItemId>)>,
    /// Users that the earlier data does not know, likewise.
    came: Vec<(u32, Vec<ItemId>)>,
    /// What all of these did, by user, item and action as a position in `actions`.
    did: BTreeSet<(u32, ItemId, u8)>,
    /// What these users were then shown, by user and item.
    shown: BTreeSet<(u32, ItemId)>,
    /// The actions of the data.
    pub(super) actions: Vec<Action>,
}

impl Rehearsal {
    /// Fewer users than these teach nothing that holds for others.
    pub(super) const FEWEST_USERS: usize = 50;

    /// What the models knew at the cut.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.recommender.snapshot()
    }

    /// Whether a user did it with the item after the cut, in a way that counts.
    pub(super) fn did(&self, user: u32, item: ItemId, action: usize) -> bool {
        self.did.contains(&(user, item, action as u8))
    }

    /// Whether a user was shown the item after the cut, as far as that is logged and is to teach anything.
    pub(super) fn was_shown(&self, user: u32, item: ItemId) -> bool {
        self.shown.contains(&(user, item))
    }

    /// With how many items a user did it after the cut, proposed or not.
    pub(super) fn n_done(&self, user: u32, action: usize) -> usize {
        let of_user = (user, ItemId::new(0), 0)..=(user, ItemId::new(u32::MAX), u8::MAX);
        self.did.range(of_user).filter(|(_, _, done)| usize::from(*done) == action).count()
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

    /// Who came first after the cut, with what they took: what strangers take is not what the regulars still lack. `None`
    /// for too few; then regulars must stand for them.
    pub(super) fn strangers(&self) -> Option<&[(u32, Vec<ItemId>)]> {
        (self.came.len() >= Self::FEWEST_USERS).then_some(&self.came)
    }

    /// Somebody of whom nothing is known.
    pub(super) fn of_stranger(&self) -> Request {
        Request::for_user("").context(self.context())
    }

    fn context(&self) -> Context {
        Context { time: Some(self.asked_at), ..Context::default() }
    }
}

/// Data divided in time.
struct Cut {
    earlier: Dataset,
    /// The moment of the cut.
    asked_at: Timestamp,
    /// Who came back after it with what they took.
    took: Vec<(u32, Vec<ItemId>)>,
    /// Who came then for the first time with what they took.
    came: Vec<(u32, Vec<ItemId>)>,
    /// What they did, by user, item and action.
    did: BTreeSet<(u32, ItemId, u8)>,
    /// What they were shown, by user and item.
    shown: BTreeSet<(u32, ItemId)>,
}

impl Cut {
    /// `None` for too few users on both sides.
    fn of(dataset: &Dataset, plan: &Plan, held_out: f64, weights: &ActionWeights) -> Option<Self> {
        let log = &dataset.log;
        let seed = plan.als.as_ref().map_or(0, |als| als.seed);
        let how = if log.has_times() { Split::Time { test_share: held_out } } else { Split::AnyOne { seed } };
        let Division { train, test, cut } = split(log, how, weights);
        let weight = log.weights(weights);
        let mut is_known = vec![false; log.users.len()];
        for &row in train.iter().filter(|&&row| weight[row as usize] > 0.0) {
            is_known[log.user[row as usize] as usize] = true;
        }
        let (mut took, mut came) = (BTreeMap::new(), BTreeMap::new());
        let mut did = BTreeSet::new();
        for row in test.into_iter().map(|row| row as usize) {
            let user = log.user[row];
            let of = if is_known[user as usize] { &mut took } else { &mut came };
            of.entry(user).or_insert_with(Vec::new).push(log.item[row]);
            did.insert((user, log.item[row], log.action[row]));
        }
        if took.len() < Rehearsal::FEWEST_USERS {
            return None;
        }
        let (took, came) = (distinct(took), distinct(came));
        let (catalog, users) = (dataset.catalog.clone(), dataset.users.clone());
        let earlier = Dataset { catalog, log: log.select(&train), users, ..Dataset::default() };
        let shown = cut.map_or_else(BTreeSet::new, |cut| shown(log, cut, plan, weights, &took));
        let asked_at = cut.or(earlier.log.span().map(|(_, last)| last)).unwrap_or_default();
        Some(Self { earlier, asked_at, took, came, did, shown })
    }
}

/// Some of the users, each with their items once, ascending.
fn distinct(users: BTreeMap<u32, Vec<ItemId>>) -> Vec<(u32, Vec<ItemId>)> {
    let of_user = |(user, mut items): (u32, Vec<ItemId>)| {
        items.sort_unstable();
        items.dedup();
        (user, items)
    };
    blend::sampled(users.into_iter()).map(of_user).collect()
}

/// What these users were shown from the cut on, by user and item. Nothing where that is to teach nothing, and where it
/// speaks for items by a weight: then it is taken.
fn shown(
    log: &InteractionLog,
    cut: Timestamp,
    plan: &Plan,
    weights: &ActionWeights,
    took: &[(u32, Vec<ItemId>)],
) -> BTreeSet<(u32, ItemId)> {
    let code = log.actions.iter().position(|action| *action == Action::Impression);
    let Some(code) = code.filter(|_| plan.impressions && weights.get(&Action::Impression) <= 0.0) else {
        return BTreeSet::new();
    };
    let is_asked = |user: u32| took.binary_search_by_key(&user, |(user, _)| *user).is_ok();
    let rows = (0..log.len()).filter(|&row| usize::from(log.action[row]) == code && log.at[row] >= cut);
    rows.filter(|&row| is_asked(log.user[row])).map(|row| (log.user[row], log.item[row])).collect()
}

/// The user's latest items as the session of somebody new, oldest first: one, two and so on, in turn.
fn some_latest(snapshot: &Snapshot, user: u32) -> Vec<ItemKey> {
    let n_items = 1 + user as usize % (BlendModels::FEW - 1);
    let latest = snapshot.histories.of(user).iter().filter(|touch| touch.is_liked()).take(n_items);
    let mut keys: Vec<ItemKey> = latest.map(|touch| snapshot.catalog.key(touch.item).clone()).collect();
    keys.reverse();
    keys
}
