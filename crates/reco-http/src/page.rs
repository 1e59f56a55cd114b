//! The page at `/`, and the script with which other pages send events: a few files inside the program, nothing from elsewhere.

use crate::App;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, kind and text of the page.
const FILES: [(&str, &str, &str); 12] = [
    ("/", HTML, include_str!("../assets/index.html")),
    ("/assets/api.js", JAVASCRIPT, include_str!("../assets/api.js")),
    ("/assets/app.js", JAVASCRIPT, include_str!("../assets/app.js")),
    ("/assets/base.css", CSS, include_str!("../assets/base.css")),
    ("/assets/combobox.js", JAVASCRIPT, include_str!("../assets/combobox.js")),
    ("/assets/features.js", JAVASCRIPT, include_str!("../assets/features.js")),
    ("/assets/history.js", JAVASCRIPT, include_str!("../assets/history.js")),
    ("/assets/lists.css", CSS, include_str!("../assets/lists.css")),
    ("/assets/onboarding.js", JAVASCRIPT, include_str!("../assets/onboarding.js")),
    ("/assets/page.js", JAVASCRIPT, include_str!("../assets/page.js")),
    ("/assets/row.js", JAVASCRIPT, include_str!("../assets/row.js")),
    ("/assets/words.js", JAVASCRIPT, include_str!("../assets/words.js")),
];

/// What other pages send events with. They may hold it for an hour, as it is part of every one of them.
const SCRIPT: &str = include_str!("../assets/reco.js");
const SCRIPT_CACHE: &str = "public, max-age=3600";

pub(crate) fn routes() -> Router<App> {
    let packed = Bytes::from(gzip(SCRIPT));
    let script = get(move |headers: HeaderMap| async move { script(&headers, packed) });
    FILES.into_iter().fold(Router::new().route("/reco.js", script), |router, (path, kind, text)| {
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        router.route(path, get(move || async move { (headers, text).into_response() }))
    })
}

fn script(asked: &HeaderMap, packed: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, JAVASCRIPT),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, SCRIPT_CACHE),
        (header::VARY, "accept-encoding"),
    ];
    if takes_gzip(asked) {
        return (headers, [(header::CONTENT_ENCODING, "gzip")], packed).into_response();
    }
    (headers, SCRIPT).into_response()
}

/// Whether `gzip` is among the encodings that are asked for, and not with a weight of nothing.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lines = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|encoding| {
        let (name, weight) = encoding.split_once(';').unwrap_or((encoding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let written = packer.write_all(text.as_bytes());
    written.and_then(|()| packer.finish()).expect("memory takes everything")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_script_is_as_small_as_its_documentation_says() {
        let n_bytes = gzip(SCRIPT).len();
        assert!(n_bytes <= 2_048, "{n_bytes} bytes");
    }

    #[test]
    fn only_who_asks_for_gzip_gets_it() {
        for (asked, taken) in [
            ("gzip, deflate, br, zstd", true),
            ("br, GZIP;q=0.5", true),
            ("br;q=1.0, gzip;q=0", false),
            ("gzip;level=9", false),
            ("br, x-gzip", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(asked))]);
            assert_eq!(takes_gzip(&headers), taken, "{asked}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
