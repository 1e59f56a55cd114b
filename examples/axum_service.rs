//! Recommendations inside an axum application of your own: its routes call the recommender directly, and the
//! ready-made routes (`/recommendations`, `/interactions`, `/health`, the page at `/` …) stand beside them.
//!
//! `cargo run --example axum_service`, then open <http://127.0.0.1:8080/> or <http://127.0.0.1:8080/shelf/ann>.

mod shop;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use reco::error::RecommendError;
use reco::pipeline::Recommender;
use reco::request::Request;
use reco_http::{HttpConfig, router, serve, shutdown_signal};
use std::error::Error;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    // Finishes the requests under way at Ctrl-C or SIGTERM.
    serve(listener, app()?, shutdown_signal()).await?;
    Ok(())
}

/// The whole application, as a service that needs no port to be tested.
pub(crate) fn app() -> Result<Router, Box<dyn Error>> {
    let recommender = shop::pipeline().builder(shop::snapshot()?)?.build()?;
    // A clone is a handle: both sides see the same events and the same snapshot.
    let ready_made = router(recommender.clone(), HttpConfig::default());
    let own = Router::new().route("/shelf/{user}", get(shelf)).with_state(recommender);
    Ok(own.merge(ready_made))
}

/// Three titles for a user, or the status that says what the client may do.
async fn shelf(
    State(recommender): State<Recommender>,
    Path(user): Path<String>,
) -> Result<Json<Vec<String>>, (StatusCode, String)> {
    let request = Request::for_user(user).count(3).explain(false);
    let page = recommender.recommend(request).await.map_err(refusal)?;
    // Looked up by key: another snapshot may have taken over since, and ids belong to one snapshot.
    let catalog = &recommender.snapshot().catalog;
    let title = |key: &str| catalog.id(key).map(|id| catalog.title(id).to_owned());
    Ok(Json(page.items.iter().filter_map(|item| title(item.key.as_str())).collect()))
}

fn refusal(error: RecommendError) -> (StatusCode, String) {
    let status = match error {
        RecommendError::InvalidRequest { .. } => StatusCode::BAD_REQUEST,
        // A full queue, or a part that must not be missing: worth trying again.
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, error.to_string())
}
