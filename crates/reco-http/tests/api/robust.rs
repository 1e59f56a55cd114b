//! Whatever a client sends, the answer is a client's error at worst and has the documented shape.

use crate::world::{app, get, post, send};
use axum::body::Body;
use axum::http::{Request, header};
use proptest::prelude::*;
use serde_json::{Value, json};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Text that is often nearly right.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("item1".to_owned()),
        Just("-9223372036854775808".to_owned()),
        Just("18446744073709551615".to_owned()),
        Just("NaN".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[a-z]{1,8} (=|<|in|has) [\"(0-9a-z,)]{0,8}( and not \\()?",
        ".{0,40}",
    ]
}

/// JSON of any shape, with the names of real fields among the keys.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        value().prop_map(Value::from),
    ];
    let names = prop_oneof![
        Just("user_id"),
        Just("item_id"),
        Just("action"),
        Just("value"),
        Just("timestamp"),
        Just("id"),
        Just("events"),
        Just("x"),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..7).prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_parameters(
        pairs in prop::collection::vec((prop::sample::select(vec![
            "count", "surface", "category", "item_id", "filter", "exclude", "session_items", "device", "time", "seed",
            "explain", "why_not", "within_ms", "user_id",
        ]), value()), 0..5),
        stray in ".{0,30}",
    ) {
        let query: String = pairs.iter().map(|(name, text)| format!("&{name}={}", escaped(text))).collect();
        for path in [
            format!("/recommendations?user_id=a{query}"),
            format!("/similar?item_id=item1{query}"),
            format!("/recommendations?{}", escaped(&stray)),
            format!("/items/{}", escaped(&stray)),
            format!("/users/{}/history", escaped(&stray)),
            format!("/users?q={}", escaped(&stray)),
            format!("/items?q={}", escaped(&stray)),
        ] {
            let (status, _) = runtime().block_on(get(&path));
            prop_assert!(!status.is_server_error(), "{} {}", path, status);
        }
    }

    #[test]
    fn any_document(document in document()) {
        let (status, body) = runtime().block_on(post(app(), &document.to_string()));
        prop_assert!(!status.is_server_error(), "{} {}: {}", document, status, body);
    }

    #[test]
    fn any_bytes(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let request = Request::post("/interactions").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).expect("a valid request");
        let (status, _) = runtime().block_on(send(app(), request));
        prop_assert!(!status.is_server_error(), "{}", status);
    }
}
