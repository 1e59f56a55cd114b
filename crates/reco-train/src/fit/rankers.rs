//! Learning the rankers of a snapshot from what came later.

use super::FitError;
use super::blend::BlendParams;
use super::boosted;
use super::examples::Examples;
use super::insight::{self, RankerInsight};
use super::ranking::{self, Learned};
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
    let rehearsals = Rehearsals::new(dataset, cuts, plan, assemble, weights);
    if rehearsals.len() == 0 {
        let fewest = Rehearsal::FEWEST_USERS;
        let why = format!("not learned, for fewer than {fewest} users came back after the cut; votes rank");
        remarked(progress, "ranking", &why);
        return Ok(Rankers::default());
    }
    let schema = n_cuts.map(|_| FeatureSchema::default());
    let (blend, examples) = rehearsed(rehearsals, plan.blend.as_ref(), schema.as_ref(), progress)?;
    let mut rankers = Rankers { blend, ..Rankers::default() };
    rankers.learn(&examples, plan, inspects, progress)?;
    Ok(rankers)
}

/// The blend of the latest rehearsal; and, where a schema is given, examples of all of them. A rehearsal's examples tell
/// what the blend of the one before it says, as one that is served says of the time after it; in the first, what each
/// half of the users taught says of the other.
fn rehearsed(
    mut rehearsals: Rehearsals<'_>,
    params: Option<&BlendParams>,
    schema: Option<&FeatureSchema>,
    progress: &dyn Progress,
) -> Result<(Option<BlendModels>, Examples), FitError> {
    let fitting = Prefixed::new("for ranking: ", progress);
    let (mut before, mut examples) = (None::<Learned>, Examples::default());
    while let Some(rehearsal) = rehearsals.next(&fitting)? {
        let by_halves = schema.is_some() && before.is_none();
        let learn = |params| ranking::learn(&rehearsal, params, by_halves, progress);
        let here = params.map(learn).transpose()?;
        if let Some(schema) = schema {
            let told = before.as_ref().or(here.as_ref());
            examples.append(Examples::gather(&rehearsal, schema, told, &fitting)?);
        }
        before = here.map(Learned::without_halves);
    }
    Ok((before.map(|learned| learned.all), examples))
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
    let rehearsals = Rehearsals::new(dataset, cuts, plan, &assemble, weights);
    if rehearsals.len() == 0 {
        return Ok(None);
    }
    let (_, examples) = rehearsed(rehearsals, plan.blend.as_ref(), Some(schema), progress)?;
    Ok(Some(examples))
}
