//! All models together, each trusted as far as a validation split bears out.

use super::acclaim::Acclaim;
use super::cases::{Case, Cases};
use super::inputs::{Held, Inputs, divided};
use super::models::{self, ModelError, TrainData};
use super::options::EvaluateOptions;
use super::scorers::{Averaged, Scorer};
use super::views::{Averages, Ranking, Scale, VIEWS, views, ways};
use crate::data::Target;
use crate::fit::blend::{self, Lists};
use crate::progress::Progress;
use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_pcg::Pcg64;
use rayon::prelude::*;
use reco_core::error::RecommendError;
use reco_core::id::ItemId;
use reco_core::linalg::dot;
use reco_core::retrieve::autoencoder::AutoencoderModel;
use std::collections::BTreeSet;

/// Fitted sources and their weights, learned on interactions that were held out of the training data in the
/// way in which the test was; then the sources are fitted to all of it.
pub(super) struct Blend<'a> {
    sources: Sources<'a>,
    train: &'a TrainData<'a>,
    averages: Averages,
    weights: Vec<f32>,
}

/// Fitted models in the order of their names.
type Sources<'a> = Vec<Averaged<'a>>;

/// Models that come out differently from every seed.
const IS_CHANCE: [&str; 3] = ["ials", "bpr", AutoencoderModel::NAME];

/// How many of each of them, from different seeds, speak together.
const COPIES: u64 = 3;

/// Items drawn to stand for those given beside the relevant ones in a test with negatives.
const NEGATIVES: usize = 99;

impl<'a> Blend<'a> {
    pub(super) const NAME: &'static str = "blend";

    pub(super) fn fit(
        train: &'a TrainData<'a>,
        options: &EvaluateOptions,
        progress: &dyn Progress,
    ) -> Result<Self, ModelError> {
        let averages = Averages::of(train);
        let names = names(train, options, progress);
        let weights = learned(train, &names, averages, options, progress)?;
        Ok(Self { sources: fit_sources(train, &names, options, progress)?, train, averages, weights })
    }
}

/// Models that are blended. What users had themselves speaks only where it may come again, and the autoencoder
/// where it is fitted in a few minutes.
fn names(train: &TrainData<'_>, options: &EvaluateOptions, progress: &dyn Progress) -> Vec<&'static str> {
    const ALL: [&str; 12] = [
        "again",
        "popularity",
        Acclaim::NAME,
        "trending",
        "item-knn",
        "content",
        "sequence",
        "ials",
        "bpr",
        "ease",
        "spectral",
        AutoencoderModel::NAME,
    ];
    let params = options.plan.autoencoder.clone().unwrap_or_default();
    let is_small = params.products(train.n_users(), train.dataset.catalog.len()) <= MOST_PRODUCTS;
    if !is_small {
        progress.begin(AutoencoderModel::NAME, 0);
        progress.end("left out of the blend: too many users and items");
    }
    let is_left_out = |name: &str| match name {
        "again" => options.target == Target::New,
        Acclaim::NAME => !Acclaim::speaks_of(&train.dataset.log),
        AutoencoderModel::NAME => !is_small,
        _ => false,
    };
    ALL.into_iter().filter(|name| !is_left_out(name)).collect()
}

/// Products of numbers in one direction of all passes of an autoencoder, about two minutes of one core.
const MOST_PRODUCTS: f64 = 1e12;

fn fit_sources<'a>(
    train: &'a TrainData<'a>,
    names: &[&str],
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Sources<'a>, ModelError> {
    names.iter().map(|name| fit_source(name, train, options, progress)).collect()
}

/// A source; where chance decides its course the mean of a few, so that no single seed does.
fn fit_source<'a>(
    name: &str,
    train: &'a TrainData<'a>,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Averaged<'a>, ModelError> {
    let n_copies = if IS_CHANCE.contains(&name) { COPIES } else { 1 };
    let fit = |copy| {
        let options = EvaluateOptions { seed: options.seed.wrapping_add(copy), ..options.clone() };
        Ok(models::fit(name, train, &options, progress)?.scorer)
    };
    Ok(Averaged((0..n_copies).map(fit).collect::<Result<_, ModelError>>()?))
}

/// Learns the weights on a part of the training data.
fn learned(
    train: &TrainData<'_>,
    names: &[&str],
    averages: Averages,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Vec<f32>, ModelError> {
    let (dataset, held) = divided(train.dataset, train.held_out, &options.weights);
    let negatives = options.negatives.is_some().then(|| draw_negatives(train, &held, options.seed));
    let inputs = Inputs { train: dataset, held, negatives, held_out: train.held_out };
    let data = TrainData::new(&inputs, &options.weights);
    let cases = Cases::new(&inputs, &data.histories, options.target).tested;
    let cases: Vec<Case> = blend::sampled(cases.into_iter()).collect();
    let sources = fit_sources(&data, names, options, progress)?;
    progress.begin("blend", cases.len() as u64);
    let n_items = data.dataset.catalog.len();
    let lists: Result<Vec<(Vec<f32>, usize)>, RecommendError> = cases
        .par_iter()
        .map(|case| {
            progress.advance(1);
            example(case, &sources, &Scale::new(&data, averages, case), n_items)
        })
        .collect();
    let mut examples = Lists::new(sources.len() * VIEWS);
    lists?.iter().for_each(|(features, n_relevant)| examples.push(features, *n_relevant));
    let params = options.plan.blend.clone().unwrap_or_default();
    let weights = blend::fit_some(&examples, &ways(names.len()), &params)?;
    progress.end(&format!("learned from {} users", examples.len()));
    Ok(weights)
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
fn example(
    case: &Case,
    sources: &Sources<'_>,
    scale: &Scale<'_>,
    n_items: usize,
) -> Result<(Vec<f32>, usize), RecommendError> {
    let rankings = rankings(case, sources, n_items)?;
    let (mut ids, others): (Vec<ItemId>, Vec<ItemId>) =
        candidates(case, &rankings, n_items).into_iter().partition(|&id| case.is_relevant(id));
    let n_relevant = ids.len();
    ids.extend(others);
    Ok((views(&rankings, &ids, scale).concat(), n_relevant))
}

/// What is worth ordering: the given items or the best of every source. What none of them puts there is not
/// ranked, for nothing is learned about such items.
fn candidates(case: &Case, rankings: &[Ranking], n_items: usize) -> BTreeSet<ItemId> {
    match &case.among {
        Some(among) => among.iter().copied().filter(|id| id.index() < n_items).collect(),
        None => rankings.iter().flat_map(|source| source.best().iter().copied()).collect(),
    }
}

/// What all sources think, in their order.
fn rankings(case: &Case, sources: &Sources<'_>, n_items: usize) -> Result<Vec<Ranking>, RecommendError> {
    let mut scores = vec![0.0f32; n_items];
    let mut rankings = Vec::with_capacity(sources.len());
    for source in sources {
        source.score(case, &mut scores)?;
        rankings.push(Ranking::new(case, &scores));
    }
    Ok(rankings)
}

impl Scorer for Blend<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        let rankings = rankings(case, &self.sources, scores.len())?;
        let ids: Vec<ItemId> = candidates(case, &rankings, scores.len()).into_iter().collect();
        scores.fill(f32::NEG_INFINITY);
        let views = views(&rankings, &ids, &Scale::new(self.train, self.averages, case));
        for (id, views) in ids.iter().zip(&views) {
            scores[id.index()] = dot(views, &self.weights);
        }
        Ok(())
    }
}
