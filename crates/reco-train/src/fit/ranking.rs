//! Learning how far to trust each source of a pipeline.

use super::FitError;
use super::blend::{self, BlendParams, Lists};
use super::rehearsal::Rehearsal;
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::candidate::Candidates;
use reco_core::id::ItemId;
use reco_core::query::Query;
use reco_core::rank::{BlendModel, BlendModels, Blends, Opinion, opinions};
use reco_core::request::Request;
use std::sync::Arc;

/// Learns the weights of the sources that put first what the users of a rehearsal then took.
///
/// The same users are asked about as if less were known of them, for whom other sources are left to speak; and
/// what they had before is left out, to learn how far to trust a source with what is new.
pub(super) fn learn(
    rehearsal: &Rehearsal,
    params: &BlendParams,
    progress: &dyn Progress,
) -> Result<BlendModels, FitError> {
    progress.begin("blend", 2 * rehearsal.took.len() as u64);
    let learned_from = |request: &(dyn Fn(u32) -> Request + Sync)| -> Result<_, FitError> {
        let of_user = |(user, took): &(u32, Vec<ItemId>)| {
            progress.advance(1);
            let (query, set) = rehearsal.ask(request(*user))?;
            Ok(with_and_without_repeats(&query, set, took))
        };
        let lists: Result<Vec<_>, FitError> = rehearsal.took.par_iter().map(of_user).collect();
        let (with_repeats, all_new): (Vec<_>, Vec<_>) = lists?.into_iter().unzip();
        let with_repeats: Vec<Proposed> = with_repeats.into_iter().flatten().collect();
        Ok(Blends { with_repeats: weighed(&with_repeats, params)?, all_new: weighed(&all_new, params)? })
    };
    // Strangers are all alike, so one answer does for them.
    let (_, to_a_stranger) = rehearsal.ask(rehearsal.of_stranger())?;
    let to_strangers: Vec<Proposed> =
        rehearsal.took.par_iter().map(|(_, took)| Proposed::new(&to_a_stranger, took)).collect();
    let models = BlendModels {
        strangers: weighed(&to_strangers, params)?,
        newcomers: learned_from(&|user| rehearsal.of_newcomer(user))?,
        regulars: learned_from(&|user| rehearsal.of_regular(user))?,
    };
    progress.end(&format!("learned from {} users", rehearsal.took.len()));
    Ok(models)
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
    if examples.len() < Rehearsal::FEWEST_USERS {
        return Ok(None);
    }
    let model = blend::model(&sources, &blend::fit(&examples, params)?);
    let spoke = |source: usize| lists.iter().any(|list| list.hears(source));
    let heard = model.sources().iter().zip(0..).filter(|(_, source)| spoke(*source));
    Ok(Some(BlendModel::new(heard.map(|(weights, _)| weights.clone()).collect())))
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
