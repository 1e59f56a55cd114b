//! What an operator's machines ask: is it well, and may it get traffic.

use crate::App;
use crate::error::ApiError;
use crate::json::json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use reco_core::cache::LayerCounts;
use reco_core::consume::Stage;
use reco_core::error::Rung;
use reco_core::page::Warning;
use reco_core::pipeline::{PageLog, SwapOutcome};
use reco_core::request::Request;
use reco_core::store::OutboxCounts;
use reco_core::time::{Clock, SystemClock};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    snapshot: SnapshotHealth<'a>,
    pipeline: PipelineHealth,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    consumers: BTreeMap<&'a str, Stage>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    caches: BTreeMap<&'a str, CacheHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposures: Option<OutboxCounts>,
    /// What became of the pages that are written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<OutboxCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    swap: Option<SwapHealth>,
}

/// What a cache was good for since the start.
#[derive(Serialize)]
struct CacheHealth {
    /// Share of those who asked that found it in this process, 0 to 1.
    hit_rate: Option<f64>,
    #[serde(flatten)]
    counts: LayerCounts,
}

/// How the latest attempt to put another snapshot in place ended.
#[derive(Serialize)]
struct SwapHealth {
    status: &'static str,
    version: Arc<str>,
    /// Milliseconds since 1970 by the system's clock, whichever one pages are made by.
    at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ms: Option<f64>,
    /// Why the old snapshot stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl SwapHealth {
    /// `ahead` is how far the system's clock is ahead of the recommender's, in milliseconds.
    fn new(SwapOutcome { version, at, result }: SwapOutcome, ahead: i64) -> Self {
        let report = result.as_ref().ok();
        Self {
            status: if report.is_some() { "swapped" } else { "refused" },
            version,
            at: at.millis().saturating_add(ahead),
            replayed: report.map(|report| report.replayed),
            overlap: report.map(|report| report.overlap),
            p99_ms: report.map(|report| report.p99.as_secs_f64() * 1e3),
            problem: result.err(),
        }
    }
}

#[derive(Serialize)]
struct SnapshotHealth<'a> {
    status: &'static str,
    version: &'a str,
    users: usize,
    items: usize,
    models: Vec<&'a str>,
}

/// What came of a page computed just now; `warnings` name the parts that failed.
#[derive(Serialize)]
struct PipelineHealth {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rung: Option<Rung>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// The state of each part. The pipeline is asked for a page, so that a failing part shows here first.
pub(crate) async fn health(State(app): State<App>) -> Result<Response, ApiError> {
    let snapshot = app.recommender.snapshot();
    let pipeline = pipeline(&app).await;
    let snapshot = SnapshotHealth {
        status: if snapshot.catalog.is_empty() { "empty" } else { "ok" },
        version: &snapshot.version,
        users: snapshot.users.len(),
        items: snapshot.catalog.len(),
        models: snapshot.models.names().map(|name| &**name).collect(),
    };
    let consumers: BTreeMap<&str, Stage> =
        app.consumers.iter().map(|(name, progress)| (&**name, progress.stage())).collect();
    let all_consume = consumers.values().all(|stage| stage.failures == 0);
    let well = snapshot.status == "ok" && pipeline.status == "ok" && all_consume;
    let ahead = SystemClock.wall().millis().saturating_sub(app.recommender.clock().wall().millis());
    let swap = app.recommender.last_swap().map(|outcome| SwapHealth::new(outcome, ahead));
    let caches = app.recommender.caches().into_iter();
    let caches = caches
        .map(|(name, counts)| (name, CacheHealth { hit_rate: counts.near.hit_rate(), counts }))
        .collect();
    let status = if well { "ok" } else { "degraded" };
    let exposures = app.trials.counts();
    let pages = app.pages.as_ref().map(PageLog::counts);
    json(&Health { status, snapshot, pipeline, consumers, caches, exposures, pages, swap })
}

async fn pipeline(app: &App) -> PipelineHealth {
    match app.recommender.recommend(Request::for_user("").count(1).explain(false).anew()).await {
        Ok(page) => PipelineHealth {
            status: if page.is_degraded() { "degraded" } else { "ok" },
            rung: Some(page.rung),
            warnings: page.warnings(),
            problem: None,
        },
        Err(error) => PipelineHealth {
            status: "failed",
            rung: None,
            warnings: Vec::new(),
            problem: Some(error.to_string()),
        },
    }
}

/// Whether a page can be served now.
pub(crate) async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    let snapshot = app.recommender.snapshot();
    if snapshot.catalog.is_empty() {
        let message = "the snapshot has no items";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message));
    }
    json(&serde_json::json!({ "ready": true, "snapshot": &*snapshot.version }))
}

/// Whether the process answers at all; one that does not may be ended.
pub(crate) async fn live() -> Result<Response, ApiError> {
    json(&serde_json::json!({ "live": true }))
}
