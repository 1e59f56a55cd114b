//! Pages: `GET /recommendations` and `GET /similar`.

use crate::json::PageJson;
use crate::params::{Params, RawQuery};
use crate::{ApiError, App};
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use reco_core::request::{Context, Request, Surface};
use reco_core::time::Timestamp;
use tower_http::request_id::RequestId;

const PAGE: [&str; 15] = [
    "user_id",
    "count",
    "surface",
    "category",
    "item_id",
    "filter",
    "exclude",
    "session_items",
    "device",
    "time",
    "seed",
    "explain",
    "why_not",
    "within_ms",
    "request_id",
];

pub(crate) async fn recommendations(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    query: RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::new(query, &PAGE)?;
    let request = Request::for_user(params.required("user_id")?).surface(surface(&params)?);
    answer(&app, &id, &params, request).await
}

pub(crate) async fn similar(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    query: RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::new(query, &PAGE)?;
    let surface = Surface::Similar(params.required("item_id")?.into());
    let request = Request::for_user(params.text("user_id").unwrap_or_default()).surface(surface);
    answer(&app, &id, &params, request).await
}

fn surface(params: &Params) -> Result<Surface, ApiError> {
    match params.text("surface") {
        None if params.text("category").is_some() => {
            Ok(Surface::Category(params.required("category")?.into()))
        }
        None | Some("home") => Ok(Surface::Home),
        Some("category") => Ok(Surface::Category(params.required("category")?.into())),
        Some("similar") => Ok(Surface::Similar(params.required("item_id")?.into())),
        Some(other) => Err(ApiError::parameter(
            "surface",
            format!("surface is `{other}`, must be home, category or similar"),
        )),
    }
}

async fn answer(app: &App, id: &RequestId, params: &Params, request: Request) -> Result<Response, ApiError> {
    let time = params.parsed("time", "milliseconds since 1970")?.map(Timestamp::from_millis);
    let context = Context {
        time,
        device: params.text("device").map(str::to_owned),
        session_items: params.list("session_items").map(Into::into).collect(),
    };
    let mut request = request
        .context(context)
        .count(params.parsed("count", "a whole number above 0")?.unwrap_or(10))
        .exclude(params.list("exclude"))
        .why_not(params.list("why_not"))
        .explain(params.parsed("explain", "true or false")?.unwrap_or(true))
        .seed(params.parsed("seed", "a whole number not below 0")?.unwrap_or(0));
    if let Some(text) = params.text("filter") {
        let filter = text.parse().map_err(|error| ApiError::parameter("filter", format!("{error}")))?;
        request = request.filter(filter);
    }
    if let Some(within) = params.parsed("within_ms", "a whole number of milliseconds")? {
        request = request.within(std::time::Duration::from_millis(within));
    }
    let user = request.user.clone();
    let (page, snapshot) = loop {
        let snapshot = app.recommender.snapshot();
        let page = app.recommender.recommend(request.clone()).await?;
        // Titles are looked up in the very snapshot that answered.
        if page.snapshot == snapshot.version {
            break (page, snapshot);
        }
    };
    let request_id = id.header_value().to_str().unwrap_or_default();
    json(&PageJson::new(request_id, &user, &page, &snapshot.catalog))
}

/// Serialises borrowed data straight into the body.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(|error| {
        ApiError::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string())
    })?;
    let kind = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, kind)], Bytes::from(body)).into_response())
}
