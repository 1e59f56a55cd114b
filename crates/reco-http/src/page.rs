//! The page at `/`: three files inside the program, nothing from elsewhere.

use crate::App;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

pub(crate) fn routes() -> Router<App> {
    let asset = |kind: &'static str, text: &'static str| {
        get(move || async move {
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (header::CACHE_CONTROL, "no-cache"),
            ];
            (headers, text).into_response()
        })
    };
    Router::new()
        .route("/", asset("text/html; charset=utf-8", include_str!("../assets/index.html")))
        .route("/app.js", asset("text/javascript; charset=utf-8", include_str!("../assets/app.js")))
        .route("/style.css", asset("text/css; charset=utf-8", include_str!("../assets/style.css")))
}
