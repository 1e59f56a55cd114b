//! The whole pipeline as a model: the very code that serves.

use super::cases::Case;
use super::models::{ModelError, TrainData};
use super::options::EvaluateOptions;
use super::scorers::Scorer;
use crate::data::Target;
use crate::fit::als::AlsParams;
use crate::fit::snapshot::{self, Plan};
use crate::progress::Progress;
use reco_core::candidate::{Candidates, DropCode, KeepMask};
use reco_core::error::{Fault, OnFault, RecommendError};
use reco_core::filter::Filter;
use reco_core::id::UserKey;
use reco_core::pipeline::{PipelineConfig, RankerName, Recommender, RecommenderBuilder};
use reco_core::query::Query;
use reco_core::request::{Context, Request};
use reco_core::snapshot::Snapshot;
use reco_core::time::ManualClock;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use std::sync::Arc;

/// Pages of a recommender over the training data, with a clock that stands still: no page is cut short
/// because the machine is busy. A page is as long as the largest cut-off asks for.
pub(super) struct Pages<'a> {
    recommender: Recommender,
    train: &'a TrainData<'a>,
    count: usize,
    seed: u64,
    ranked_by: String,
}

impl<'a> Pages<'a> {
    pub(super) const NAME: &'static str = "pipeline";

    pub(super) fn fit(
        ranker: RankerName,
        train: &'a TrainData<'a>,
        options: &EvaluateOptions,
        progress: &dyn Progress,
    ) -> Result<Self, ModelError> {
        let pipeline = PipelineConfig { ranker, ..options.pipeline.clone() };
        let snapshot = snapshot(train, options, progress)?;
        let ranked_by = pipeline.ranked_by(&snapshot);
        let clock = ManualClock::starting_at(snapshot.data_until);
        let count = options.deepest();
        let builder = asked(pipeline.builder(snapshot)?, options.target);
        let recommender = builder.max_count(count).pool(1, 1).clock(Arc::new(clock)).build()?;
        Ok(Self { recommender, train, count, seed: options.seed, ranked_by })
    }

    /// What orders them: a ranker that was asked for may be missing over so little data.
    pub(super) fn ranked_by(&self) -> &str {
        &self.ranked_by
    }

    /// Someone training does not know must be a stranger to the recommender, too, although the user table has
    /// a row for them.
    fn key(&self, user: u32) -> UserKey {
        if self.train.knows(user) { self.train.key(user).clone() } else { UserKey::from("") }
    }
}

/// What is to order the pages of the model of this name; `None` where it is another model.
///
/// # Errors
///
/// [`ModelError::UnknownRanker`] for a ranker that is none.
pub fn ranker_of(name: &str, options: &EvaluateOptions) -> Result<Option<RankerName>, ModelError> {
    match name.split_once(':') {
        None => Ok((name == Pages::NAME).then(|| options.pipeline.ranker.clone())),
        Some((Pages::NAME, ranker)) => named(ranker).map(Some),
        Some(_) => Ok(None),
    }
}

/// A ranker by name, or `file=MODEL`.
fn named(ranker: &str) -> Result<RankerName, ModelError> {
    if let Some(path) = ranker.strip_prefix("file=") {
        return Ok(RankerName::File(path.into()));
    }
    let unknown = |_: serde::de::value::Error| ModelError::UnknownRanker { name: ranker.to_owned() };
    RankerName::deserialize(ranker.into_deserializer()).map_err(unknown)
}

/// Everything that any pages need, fitted once for all rankers.
fn snapshot(
    train: &TrainData<'_>,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Arc<Snapshot>, ModelError> {
    if let Some(fitted) = train.snapshot.get() {
        return Ok(Arc::clone(fitted));
    }
    let als = options.plan.als.clone().map(|als| AlsParams { seed: options.seed, ..als });
    let mut plan = Plan { als, ..options.plan.clone() };
    // Who names a ranker wants it trained.
    for name in options.models.iter().filter(|name| *name != Pages::NAME) {
        match ranker_of(name, options)? {
            Some(RankerName::Boosted) => _ = plan.boosted.get_or_insert_default(),
            Some(RankerName::WideDeep) => _ = plan.wide_deep.get_or_insert_default(),
            _ => {}
        }
    }
    let assemble = |snapshot: Snapshot| Ok(asked(options.pipeline.builder(snapshot)?, options.target));
    let (dataset, weights) = (train.dataset.clone(), &options.weights);
    let fitted = snapshot::fit_for(dataset, &plan, &assemble, weights, "evaluation", progress)?;
    Ok(Arc::clone(train.snapshot.get_or_init(|| Arc::new(fitted))))
}

/// A pipeline that answers the question.
pub(super) fn asked(builder: RecommenderBuilder, target: Target) -> RecommenderBuilder {
    match target {
        Target::All => builder,
        Target::New => builder.filter(NewToUser, OnFault::Fail),
    }
}

impl Scorer for Pages<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        let context = Context { time: Some(case.asked_at), ..Context::default() };
        let request = Request::for_user(self.key(case.user)).count(self.count).context(context);
        let page = self.recommender.recommend_now(request.explain(false).seed(self.seed))?;
        // What is not on the page is not ranked.
        scores.fill(f32::NEG_INFINITY);
        for item in page.items {
            scores[item.id.index()] = -(item.rank as f32);
        }
        Ok(())
    }
}

/// Drops what the user had in training, whatever they did with it.
#[derive(Debug)]
struct NewToUser;

impl Filter for NewToUser {
    fn name(&self) -> &'static str {
        "new-to-user"
    }

    fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
        for (row, &id) in set.ids().iter().enumerate() {
            if query.touch(id).is_some() {
                keep.drop_row(row, 0);
            }
        }
        Ok(())
    }

    fn reason(&self, _: DropCode) -> String {
        "the user had it in training".to_owned()
    }
}
