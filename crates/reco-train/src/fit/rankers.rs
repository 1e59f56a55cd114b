//! Learning the rankers of a snapshot from what came later.

use super::FitError;
use super::boosted;
use super::examples::Examples;
use super::insight::{self, RankerInsight};
use super::ranking;
use super::rehearsal::{Assemble, Cuts, Rehearsal, Rehearsals};
use super::snapshot::Plan;
use super::{learning, wide_deep};
use crate::data::Dataset;
use crate::progress::{Prefixed, Progress, remarked};
use reco_core::event::ActionWeights;
use reco_core::features::FeatureSchema;
use reco_core::pipeline::PipelineConfig;
use reco_core::rank::trees::Boosted;
use reco_core::rank::{BlendModels, DenseModel, WideDeep};

/// What orders candidates.
#[derive(Default)]
pub(super) struct Rankers {
    pub(super) blend: Option<BlendModels>,
    pub(super) wide_deep: Option<WideDeep>,
    pub(super) boosted: Option<Boosted>,
    /// What those that read features are like, where that was asked for.
    pub(super) insights: Vec<RankerInsight>,
}

/// Learns the rankers from models that know nothing of what is held out; an earlier snapshot may. None for data
/// with too few users on both sides of the cut; the pipeline then ranks by votes.
pub(super) fn fit(
    dataset: &Dataset,
    plan: &Plan,
    assemble: &Assemble<'_>,
    weights: &ActionWeights,
    inspects: bool,
    progress: &dyn Progress,
) -> Result<Rankers, FitError> {
    let n_cuts = plan.ranker_cuts();
    if plan.blend.is_none() && n_cuts.is_none() {
        return Ok(Rankers::default());
    }
    let held_out = plan.blend.clone().unwrap_or_default().held_out;
    let cuts = Cuts { held_out, count: n_cuts.unwrap_or(1) };
    let fitting = Prefixed::new("for ranking: ", progress);
    let mut rehearsals = Rehearsals::new(dataset, cuts, plan, assemble, weights);
    let Some(latest) = rehearsals.next(&fitting)? else {
        let fewest = Rehearsal::FEWEST_USERS;
        let why = format!("not learned, for fewer than {fewest} users came back after the cut; votes rank");
        remarked(progress, "ranking", &why);
        return Ok(Rankers::default());
    };
    let by_halves = n_cuts.is_some();
    let blend =
        plan.blend.as_ref().map(|params| ranking::learn(&latest, params, by_halves, progress)).transpose()?;
    let mut rankers = Rankers::default();
    if n_cuts.is_some() {
        let schema = FeatureSchema::default();
        let examples = Examples::gather_all(latest, rehearsals, &schema, blend.as_ref(), &fitting)?;
        rankers.learn(&examples, plan, inspects, progress)?;
    }
    rankers.blend = blend.map(|learned| learned.all);
    Ok(rankers)
}

impl Rankers {
    /// Those of the plan that read features.
    fn learn(
        &mut self,
        examples: &Examples,
        plan: &Plan,
        inspects: bool,
        progress: &dyn Progress,
    ) -> Result<(), FitError> {
        if let Some(params) = &plan.wide_deep
            && let Some(fitted) = wide_deep::fit(examples, &plan.features, params, progress)?
        {
            self.insights.extend(insight_into(&fitted, examples, inspects, params.seed, progress)?);
            self.wide_deep = Some(fitted.ranker);
        }
        if let Some(params) = &plan.boosted
            && let Some(fitted) = boosted::fit(examples, &plan.features, params, progress)?
        {
            self.insights.extend(insight_into(&fitted, examples, inspects, params.seed, progress)?);
            self.boosted = Some(fitted.ranker);
        }
        Ok(())
    }
}

/// What a ranker is like on lists that it has not seen, if that is asked for.
fn insight_into<M: DenseModel>(
    fitted: &learning::Fitted<M>,
    examples: &Examples,
    inspects: bool,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Option<RankerInsight>, FitError> {
    let inspect = || insight::inspect(&fitted.judged, examples, &fitted.validation, seed, progress);
    inspects.then(inspect).transpose()
}

/// What a learned ranker would be shown: the candidates that `pipeline` proposes at the cuts, with the features of
/// `schema`. `None` for data with too few users on both sides of the latest cut.
///
/// # Errors
///
/// As [`snapshot::fit`](super::snapshot::fit), and [`FitError::Params`] for cuts out of range.
pub fn examples(
    dataset: &Dataset,
    plan: &Plan,
    pipeline: &PipelineConfig,
    schema: &FeatureSchema,
    cuts: Cuts,
    weights: &ActionWeights,
    progress: &dyn Progress,
) -> Result<Option<Examples>, FitError> {
    FitError::check("plan", plan.problems())?;
    FitError::check("cuts", cuts.problems())?;
    let assemble = |snapshot| pipeline.builder(snapshot);
    let mut rehearsals = Rehearsals::new(dataset, cuts, plan, &assemble, weights);
    let Some(latest) = rehearsals.next(progress)? else { return Ok(None) };
    let blend =
        plan.blend.as_ref().map(|params| ranking::learn(&latest, params, true, progress)).transpose()?;
    Examples::gather_all(latest, rehearsals, schema, blend.as_ref(), progress).map(Some)
}
