//! What happened of late, for whoever runs the shop.

use crate::App;
use crate::error::ApiError;
use crate::json::json;
use crate::params::Params;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use reco_core::consume::{Activity, Analytics};
use reco_core::time::Timestamp;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Happened {
    now: Timestamp,
    /// All the hours together.
    total: Activity,
    /// The latest first; the running one is not over.
    hours: Vec<HourJson>,
}

#[derive(Debug, Serialize)]
struct HourJson {
    began: Timestamp,
    #[serde(flatten)]
    activity: Activity,
}

/// Events, active users and popular items, hour by hour and together.
pub(crate) async fn analytics(State(app): State<App>, query: RawQuery) -> Result<Response, ApiError> {
    let params = Params::new(query, &["hours", "items"])?;
    let n_hours = params.between("hours", 1, Analytics::DAYS as usize * 24)?.unwrap_or(24) as u32;
    let n_items = params.between("items", 1, 100)?.unwrap_or(10);
    let analytics = app.analytics.as_ref().ok_or_else(|| {
        let message = "this server does not count events: it keeps none on the disk";
        ApiError::new(StatusCode::NOT_FOUND, "no_analytics", message)
    })?;
    let now = app.recommender.clock().wall();
    let hours = analytics.hours(now, n_hours, n_items).into_iter();
    json(&Happened {
        now,
        total: analytics.total(now, n_hours, n_items),
        hours: hours.map(|(began, activity)| HourJson { began, activity }).collect(),
    })
}
