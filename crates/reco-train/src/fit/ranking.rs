//! Learning how far to trust each source of a pipeline.

use super::FitError;
use super::blend::{self, BlendParams, Lists, Way};
use super::rehearsal::Rehearsal;
use super::users::half_of;
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::candidate::Candidates;
use reco_core::id::ItemId;
use reco_core::query::Query;
use reco_core::rank::{BlendModel, BlendModels, Blends, Opinion, opinions};
use reco_core::request::Request;
use std::sync::Arc;

/// Learned weights of the sources.
pub(super) struct Learned {
    /// From all users of the rehearsal.
    pub(super) all: BlendModels,
    /// From each half of them; empty where that was not asked for. What one half learned can be shown to rankers
    /// trained on the other without giving away what these took (Wolpert, "Stacked Generalization", 1992).
    pub(super) halves: Vec<BlendModels>,
}

impl Learned {
    /// For users of whom it has learned nothing yet.
    pub(super) fn without_halves(self) -> Self {
        Self { halves: Vec::new(), ..self }
    }

    /// The weights for an answer to a user, learned without them where there is enough to learn from; `None` where
    /// there are none to serve.
    pub(super) fn without(&self, user: u32, query: &Query, set: &Candidates) -> Option<&BlendModel> {
        let of_all = self.all.of(query, set)?;
        let of_others = self.halves.get(1 - half_of(user)).and_then(|models| models.of(query, set));
        Some(of_others.unwrap_or(of_all))
    }
}

/// Learns the weights of the sources that put first what the users of a rehearsal then took, from all of them and, if
/// asked for, by halves.
///
/// The same users are asked about as if less were known of them, for whom other sources are left to speak; and
/// what they had before is left out, to learn how far to trust a source with what is new. What strangers take is learned
/// from those who came first after the cut: regulars as strangers take what they still lack, which is something else.
pub(super) fn learn(
    rehearsal: &Rehearsal,
    params: &BlendParams,
    by_halves: bool,
    progress: &dyn Progress,
) -> Result<Learned, FitError> {
    progress.begin("blend", 2 * rehearsal.took.len() as u64);
    let parts = if by_halves { &Part::EVERY[..] } else { &Part::EVERY[..1] };
    let learned_from = |request: &(dyn Fn(u32) -> Request + Sync)| -> Result<Vec<Blends>, FitError> {
        let of_user = |(user, took): &(u32, Vec<ItemId>)| {
            progress.advance(1);
            let (query, set) = rehearsal.ask(request(*user))?;
            let (with_repeats, new) = with_and_without_repeats(&query, set, took);
            Ok((with_repeats.map(|list| (*user, list)), (*user, new)))
        };
        let lists: Result<Vec<_>, FitError> = rehearsal.took.par_iter().map(of_user).collect();
        let (with_repeats, all_new): (Vec<_>, Vec<_>) = lists?.into_iter().unzip();
        let with_repeats: Vec<(u32, Proposed)> = with_repeats.into_iter().flatten().collect();
        let with_repeats = weighed(&with_repeats, parts, params)?;
        let blends = with_repeats.into_iter().zip(weighed(&all_new, parts, params)?);
        Ok(blends.map(|(with_repeats, all_new)| Blends { with_repeats, all_new }).collect())
    };
    // Strangers are all alike, so one answer does for them.
    let (_, to_a_stranger) = rehearsal.ask(rehearsal.of_stranger())?;
    let came = rehearsal.strangers().unwrap_or(&rehearsal.took);
    let to_strangers: Vec<(u32, Proposed)> =
        came.par_iter().map(|(user, took)| (*user, Proposed::new(&to_a_stranger, took))).collect();
    let newcomers = learned_from(&|user| rehearsal.of_newcomer(user))?;
    let regulars = learned_from(&|user| rehearsal.of_regular(user))?;
    let strangers = weighed(&to_strangers, parts, params)?;
    let of_parts = strangers.into_iter().zip(newcomers).zip(regulars);
    let mut models: Vec<BlendModels> = of_parts
        .map(|((strangers, newcomers), regulars)| BlendModels { strangers, newcomers, regulars })
        .collect();
    progress.end(&format!("learned from {} users", rehearsal.took.len()));
    Ok(Learned { all: models.remove(0), halves: models })
}

/// Users to learn from.
#[derive(Clone, Copy)]
enum Part {
    All,
    Half(usize),
}

impl Part {
    const EVERY: [Self; 3] = [Self::All, Self::Half(0), Self::Half(1)];

    fn has(self, user: u32) -> bool {
        match self {
            Self::All => true,
            Self::Half(half) => half_of(user) == half,
        }
    }

    /// Fewer lists teach nothing that holds for others, and not every user takes what was proposed; a half is never
    /// served, and may be half as sure.
    fn fewest_lists(self) -> usize {
        match self {
            Self::All => Rehearsal::FEWEST_USERS / 2,
            Self::Half(_) => Rehearsal::FEWEST_USERS / 4,
        }
    }
}

/// Weights learned from each part of the users, the first of which is all of them; `None` where too little that was
/// proposed was taken. All in the ways that hold for all of them: how far to trust what was learned is better told by
/// many than by a few.
fn weighed(
    lists: &[(u32, Proposed)],
    parts: &[Part],
    params: &BlendParams,
) -> Result<Vec<Option<BlendModel>>, FitError> {
    let mut chosen = None;
    let of_part = |&part: &Part| {
        let lists = lists.iter().filter(|(user, _)| part.has(*user));
        let lists: Vec<&Proposed> = lists.map(|(_, list)| list).collect();
        let examples = examples(&lists);
        if examples.len() < part.fewest_lists() {
            return Ok(None);
        }
        if let Part::All = part {
            chosen = Some(blend::choose(&examples, &Way::all(examples.n_features(), params), params)?);
        }
        let Some(chosen) = &chosen else { return Ok(None) };
        Ok(model(&lists, &blend::fit_chosen(&examples, chosen, params)?))
    };
    parts.iter().map(of_part).collect()
}

fn examples(lists: &[&Proposed]) -> Lists {
    let n_sources = lists.first().map_or(0, |list| list.sources.len());
    let mut examples = Lists::new(n_sources * Opinion::SIDES);
    lists.iter().for_each(|list| examples.push(&list.features, list.n_relevant));
    examples
}

/// Weights of the sources that proposed anything; `None` without lists.
fn model(lists: &[&Proposed], weights: &[f32]) -> Option<BlendModel> {
    let first = lists.first()?;
    let model = blend::model(&first.sources, weights);
    let spoke = |source: usize| lists.iter().any(|list| list.hears(source));
    let heard = model.sources().iter().zip(0..).filter(|(_, source)| spoke(*source));
    Some(BlendModel::new(heard.map(|(weights, _)| weights.clone()).collect()))
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
