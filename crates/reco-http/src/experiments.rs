//! Who is answered by which variant of which experiment, and `GET /experiments`.

use crate::App;
use crate::error::ApiError;
use crate::ids::RequestId;
use crate::json::json;
use crate::params::Params;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use reco_core::error::RecommendError;
use reco_core::experiment::{
    Answered, Asked, Assignment, Decision, ExperimentConfig, ExperimentReport, Experiments, Exposures,
    Ledger, Memory, Metrics, NoMemory, Served, Subject, Tally, Traffic,
};
use reco_core::page::Page;
use reco_core::pipeline::{CurrentVariants, Recommender, Variants};
use reco_core::request::Surface;
use reco_core::store::OutboxCounts;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Names the variants that made a page, `exp_123_A`; several are divided by commas.
const HEADER: HeaderName = HeaderName::from_static("x-experiment");

/// The experiments that go on, and where their exposures go.
#[derive(Clone, Debug)]
pub(crate) struct Trials {
    variants: CurrentVariants,
    noting: Option<(Ledger, Exposures)>,
    metrics: Option<Metrics>,
    traffic: Traffic,
}

impl Trials {
    pub(crate) fn none(recommender: Recommender) -> Self {
        let variants = Variants::none(recommender).into();
        Self { variants, noting: None, metrics: None, traffic: Traffic::default() }
    }

    pub(crate) fn new(variants: CurrentVariants, ledger: Ledger, exposures: Exposures) -> Self {
        Self { variants, noting: Some((ledger, exposures)), metrics: None, traffic: Traffic::default() }
    }

    /// With what users do who were exposed.
    pub(crate) fn measured(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Counts what is served where others see it, too.
    pub(crate) fn counted(self, traffic: Traffic) -> Self {
        Self { traffic, ..self }
    }

    /// The variants for somebody on a surface.
    pub(crate) fn choose(&self, subject: Subject<'_>, surface: &Surface) -> Chosen {
        let memory: &dyn Memory = self.noting.as_ref().map_or(&NoMemory, |(ledger, _)| ledger);
        let variants = self.variants.get();
        let assigned = variants.experiments().assign(subject, surface, memory);
        Chosen { variants, assigned }
    }

    /// Counts what became of a request.
    pub(crate) fn count(&self, chosen: &Chosen, outcome: &Result<Page, RecommendError>, took: Duration) {
        if let Some(answered) = Answered::of(outcome, took) {
            self.traffic.note_all(&chosen.assigned, answered);
        }
    }

    /// Notes what was served, once per user, experiment and window. Keeps nobody waiting.
    pub(crate) fn expose(
        &self,
        Chosen { variants, assigned }: &Chosen,
        id: &RequestId,
        subject: Subject<'_>,
        surface: &Surface,
        page: &Page,
        took: Duration,
    ) {
        let Some((ledger, exposures)) = &self.noting else { return };
        let served = || Served {
            surface: surface.name().to_owned(),
            items: page.items.iter().map(|item| item.key.clone()).collect(),
            model: page.snapshot.to_string(),
            latency_ms: took.as_secs_f64() * 1e3,
            rung: page.rung,
        };
        let asked = Asked {
            at: variants.main().clock().wall(),
            request: Some(id.as_str().into()),
            session: subject.session.map(Into::into),
            attributes: subject.attributes.clone(),
        };
        exposures.expose(variants.experiments(), ledger, assigned, &asked, served);
    }

    /// What was answered by each variant of each experiment since the start.
    pub(crate) fn tallies(&self) -> Vec<(Arc<str>, String, Tally)> {
        let variants = self.variants.get();
        let of_experiment = |(name, config): (&Arc<str>, &ExperimentConfig)| {
            let arms = config.variants.iter().zip(self.traffic.of(name));
            let tallies = arms.map(|(variant, tally)| (Arc::clone(name), variant.name.clone(), tally));
            tallies.collect::<Vec<_>>()
        };
        variants.experiments().configs().flat_map(of_experiment).collect()
    }

    /// What became of exposures, where there are any.
    pub(crate) fn counts(&self) -> Option<OutboxCounts> {
        self.noting.as_ref().map(|(_, exposures)| exposures.counts())
    }
}

/// The variants for whoever asks, and the pipelines that they are of: other ones may serve by the time the answer is made.
pub(crate) struct Chosen {
    variants: Arc<Variants>,
    pub(crate) assigned: Vec<Assignment>,
}

impl Chosen {
    /// What answers.
    pub(crate) fn pipeline(&self) -> &Recommender {
        self.variants.of(&self.assigned)
    }
}

/// An answer with the variants that made it.
pub(crate) fn named(mut answer: Response, assigned: &[Assignment]) -> Response {
    if let Some(Ok(names)) = Experiments::header(assigned).map(HeaderValue::try_from) {
        answer.headers_mut().insert(HEADER, names);
    }
    answer
}

#[derive(Serialize)]
struct All<'a> {
    experiments: BTreeMap<&'a str, &'a ExperimentConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposures: Option<OutboxCounts>,
}

/// The experiments, and what became of exposures since the start.
pub(crate) async fn experiments(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    Params::new(query, &[])?;
    let variants = app.trials.variants.get();
    let experiments = variants.experiments().configs().map(|(name, config)| (&**name, config)).collect();
    json(&All { experiments, exposures: app.trials.counts() })
}

#[derive(Serialize)]
struct One<'a> {
    config: &'a ExperimentConfig,
    report: ExperimentReport,
    decision: Decision,
    /// What was answered since the start, by arm.
    traffic: BTreeMap<&'a str, Tally>,
}

/// What is known of one experiment by now, and what to do about it.
pub(crate) async fn experiment(
    State(app): State<App>,
    Path(name): Path<String>,
    query: RawQuery,
) -> Result<Response, ApiError> {
    Params::new(query, &[])?;
    let Trials { metrics, traffic, .. } = &app.trials;
    let variants = app.trials.variants.get();
    let unknown = || {
        let names: Vec<&str> = variants.experiments().configs().map(|(name, _)| &**name).collect();
        let there = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
        let message = format!("there is no experiment `{name}`: {there}");
        ApiError::new(StatusCode::NOT_FOUND, "unknown_experiment", message)
    };
    let config = variants.experiments().config(&name).ok_or_else(unknown)?;
    let Some(metrics) = metrics else {
        let message = "this server does not follow what users do who were exposed";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_measured", message));
    };
    let report = metrics.report(&name, config);
    let decision = Decision::new(&report, &config.decide, variants.main().clock().wall());
    let names = config.variants.iter().map(|variant| variant.name.as_str());
    let traffic = names.zip(traffic.of(&name)).collect();
    json(&One { config, report, decision, traffic })
}
