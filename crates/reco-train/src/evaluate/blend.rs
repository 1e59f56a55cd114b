//! All models together, each trusted as far as a validation split bears out.

use super::cases::{Case, Cases};
use super::inputs::{Held, Inputs, divided};
use super::models::{self, ModelError, TrainData};
use super::options::EvaluateOptions;
use super::scorers::Scorer;
use crate::data::Target;
use crate::fit::blend::{self, BlendParams, Lists};
use crate::progress::Progress;
use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_pcg::Pcg64;
use rayon::prelude::*;
use reco_core::candidate::top_k;
use reco_core::error::RecommendError;
use reco_core::id::ItemId;
use reco_core::rank::{BlendModel, Opinion, voted};
use std::collections::BTreeSet;

/// Fitted sources and their weights, learned on interactions that were held out of the training data in the
/// way in which the test was; then the sources are fitted to all of it.
pub(super) struct Blend<'a> {
    sources: Sources<'a>,
    model: BlendModel,
}

/// Fitted models in the order of their names.
type Sources<'a> = Vec<Box<dyn Scorer + 'a>>;

/// Best items of every source that the weights learn to order.
const DEPTH: usize = 50;

/// Items drawn to stand for those given beside the relevant ones in a test with negatives.
const NEGATIVES: usize = 99;

impl<'a> Blend<'a> {
    pub(super) const NAME: &'static str = "blend";

    pub(super) fn fit(
        train: &'a TrainData<'a>,
        options: &EvaluateOptions,
        progress: &dyn Progress,
    ) -> Result<Self, ModelError> {
        let model = learned(train, options, progress)?;
        Ok(Self { sources: fit_sources(train, options, progress)?, model })
    }
}

/// Models that are blended. What users had themselves speaks only where it may come again.
fn names(target: Target) -> &'static [&'static str] {
    const ALL: [&str; 10] = [
        "again",
        "popularity",
        "trending",
        "item-knn",
        "content",
        "sequence",
        "ials",
        "bpr",
        "ease",
        "spectral",
    ];
    match target {
        Target::All => &ALL,
        Target::New => &ALL[1..],
    }
}

fn fit_sources<'a>(
    train: &'a TrainData<'a>,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Sources<'a>, ModelError> {
    let fit = |name: &&str| Ok(models::fit(name, train, options, progress)?.scorer);
    names(options.target).iter().map(fit).collect()
}

/// Learns the weights on a part of the training data.
fn learned(
    train: &TrainData<'_>,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<BlendModel, ModelError> {
    let (dataset, held) = divided(train.dataset, train.held_out, &options.weights);
    let negatives = options.negatives.is_some().then(|| draw_negatives(train, &held, options.seed));
    let inputs = Inputs { train: dataset, held, negatives, held_out: train.held_out };
    let data = TrainData::new(&inputs, &options.weights);
    let cases = Cases::new(&inputs, &data.histories, options.target).tested;
    let cases: Vec<Case> = blend::sampled(cases.into_iter()).collect();
    let sources = fit_sources(&data, options, progress)?;
    progress.begin("blend", cases.len() as u64);
    let n_items = data.dataset.catalog.len();
    let lists: Result<Vec<(Vec<f32>, usize)>, RecommendError> = cases
        .par_iter()
        .map(|case| {
            progress.advance(1);
            example(case, &sources, n_items)
        })
        .collect();
    let mut examples = Lists::new(sources.len() * Opinion::SIDES);
    lists?.iter().for_each(|(features, n_relevant)| examples.push(features, *n_relevant));
    // Every source has an opinion on every candidate here, so that none ever speaks alone.
    let params = BlendParams { monotone: false, ..options.plan.blend.clone().unwrap_or_default() };
    let weights = blend::fit(&examples, &params)?;
    progress.end(&format!("learned from {} users", examples.len()));
    Ok(blend::model(names(options.target), &weights))
}

/// For every held-out user items that they do not have, as a test with negatives has them.
fn draw_negatives(train: &TrainData<'_>, held: &[Held], seed: u64) -> Vec<(u32, ItemId)> {
    let n_items = train.dataset.catalog.len() as u32;
    let Ok(any) = Uniform::new(0, n_items) else { return Vec::new() };
    let users: BTreeSet<u32> = held.iter().map(|held| held.user).collect();
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut drawn = Vec::new();
    for user in users {
        let had = train.matrix.row(user as usize).0;
        let others =
            (0..NEGATIVES * 20).map(|_| any.sample(&mut rng)).filter(|item| had.binary_search(item).is_err());
        drawn.extend(others.take(NEGATIVES).map(|item| (user, ItemId::new(item))));
    }
    drawn
}

/// Features of the items worth ordering, relevant ones first, and how many those are.
fn example(case: &Case, sources: &Sources<'_>, n_items: usize) -> Result<(Vec<f32>, usize), RecommendError> {
    let opinions = opinions(case, sources, n_items)?;
    let (relevant, others): (Vec<ItemId>, Vec<ItemId>) =
        candidates(case, &opinions, n_items).into_iter().partition(|&id| case.is_relevant(id));
    let n_relevant = relevant.len();
    let features = relevant
        .iter()
        .chain(&others)
        .flat_map(|id| opinions.iter().flat_map(|source| source.of[id.index()].0));
    Ok((features.collect(), n_relevant))
}

/// What is worth ordering: the given items or the best of every source. What none of them puts there is not
/// ranked, for nothing is learned about such items.
fn candidates(case: &Case, opinions: &[Opinions], n_items: usize) -> BTreeSet<ItemId> {
    match &case.among {
        Some(among) => among.iter().copied().filter(|id| id.index() < n_items).collect(),
        None => opinions.iter().flat_map(|source| source.best.iter().copied()).collect(),
    }
}

/// What one source thinks of all items.
struct Opinions {
    of: Vec<Opinion>,
    best: Vec<ItemId>,
}

impl Opinions {
    /// Of the items to be ranked for a case, from scores of all items.
    fn new(case: &Case, scores: &[f32]) -> Self {
        let scored = |id: ItemId| Some((*scores.get(id.index())?, id)).filter(|(score, _)| score.is_finite());
        let mut rows: Vec<(f32, ItemId)> = if let Some(among) = &case.among {
            among.iter().filter_map(|&id| scored(id)).collect()
        } else {
            let ids = (0..scores.len() as u32).map(ItemId::new);
            ids.filter(|&id| !case.is_masked(id)).filter_map(scored).collect()
        };
        let n_rows = rows.len();
        top_k(&mut rows, n_rows);
        let top = rows.first().map_or(0.0, |row| row.0);
        let mut of = vec![Opinion::default(); scores.len()];
        for (rank, &(score, id)) in (0u32..).zip(&rows) {
            of[id.index()] = Opinion::new(rank, score, top);
        }
        Self { of, best: rows.iter().take(DEPTH).map(|row| row.1).collect() }
    }
}

/// What all sources think, in their order.
fn opinions(case: &Case, sources: &Sources<'_>, n_items: usize) -> Result<Vec<Opinions>, RecommendError> {
    let mut scores = vec![0.0f32; n_items];
    let mut opinions = Vec::with_capacity(sources.len());
    for source in sources {
        source.score(case, &mut scores)?;
        opinions.push(Opinions::new(case, &scores));
    }
    Ok(opinions)
}

impl Scorer for Blend<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        let opinions = opinions(case, &self.sources, scores.len())?;
        scores.fill(f32::NEG_INFINITY);
        for id in candidates(case, &opinions, scores.len()) {
            let votes = opinions.iter().zip(self.model.sources());
            scores[id.index()] = votes.map(|(source, by)| voted(&by.weights, source.of[id.index()])).sum();
        }
        Ok(())
    }
}
