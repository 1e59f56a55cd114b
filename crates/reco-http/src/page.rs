//! The page at `/`: a few files inside the program, nothing from elsewhere.

use crate::App;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, kind and text.
const FILES: [(&str, &str, &str); 10] = [
    ("/", HTML, include_str!("../assets/index.html")),
    ("/assets/api.js", JAVASCRIPT, include_str!("../assets/api.js")),
    ("/assets/app.js", JAVASCRIPT, include_str!("../assets/app.js")),
    ("/assets/base.css", CSS, include_str!("../assets/base.css")),
    ("/assets/combobox.js", JAVASCRIPT, include_str!("../assets/combobox.js")),
    ("/assets/history.js", JAVASCRIPT, include_str!("../assets/history.js")),
    ("/assets/lists.css", CSS, include_str!("../assets/lists.css")),
    ("/assets/page.js", JAVASCRIPT, include_str!("../assets/page.js")),
    ("/assets/row.js", JAVASCRIPT, include_str!("../assets/row.js")),
    ("/assets/words.js", JAVASCRIPT, include_str!("../assets/words.js")),
];

pub(crate) fn routes() -> Router<App> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        router.route(path, get(move || async move { (headers, text).into_response() }))
    })
}
