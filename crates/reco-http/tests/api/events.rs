//! `POST /interactions`.

use crate::world::{CONFIG, NOW, app, get_request, post, post_to, recommender, send, snapshot};
use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures_util::{StreamExt, stream};
use reco_core::error::{Fault, FaultKind};
use reco_core::event::Event;
use reco_core::store::{Appended, DeadLetter, DeadLetters, EventSink, LogConfig, MemoryLog};
use reco_core::time::{ManualClock, Timestamp};
use reco_http::{Api, HttpConfig, router};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;

const EVENT: &str = r#"{"user_id":"ann","item_id":"item3","action":"click"}"#;

#[tokio::test]
async fn events_are_judged_one_by_one() {
    let batch = r#"{"events": [{"user_id":"ann","item_id":"item3","action":"hide"}, {"user_id":"ann","item_id":7},
                    {"user_id":"ann","item_id":"item1","action":"click","timestamp":-5}]}"#;
    let (status, outcome) = post(app(), batch).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let places = |outcome: &Value| -> Vec<(Value, Value)> {
        let rejected = outcome["rejected"].as_array().expect("a list").iter();
        rejected.map(|problem| (problem["index"].clone(), problem["field"].clone())).collect()
    };
    assert_eq!(outcome["accepted"], 1);
    let wrong = [(1, "item_id"), (1, "action"), (2, "timestamp")];
    assert_eq!(places(&outcome), wrong.map(|(index, field)| (json!(index), json!(field))));
    assert!(outcome.get("error").is_none(), "{outcome}");
}

#[tokio::test]
async fn everything_wrong_with_an_event_is_told_and_what_is_unknown_is_kept() {
    let batch = json!([
        {"item_id": 7, "action": "rating", "position": 0},
        {"session_id": "s1", "item_id": "item3", "action": "click", "colour": "red", "context": {"device": "phone"}},
    ]);
    let (status, outcome) = post(app(), &batch.to_string()).await;
    assert_eq!((status, &outcome["accepted"]), (StatusCode::ACCEPTED, &json!(1)), "{outcome}");
    let rejected = outcome["rejected"].as_array().expect("a list");
    let told: Vec<_> = rejected.iter().map(|wrong| (&wrong["index"], wrong["field"].as_str())).collect();
    let first = &json!(0);
    let fields = ["user_id", "item_id", "value", "position"];
    assert_eq!(told, fields.map(|field| (first, Some(field))));
    assert_eq!(outcome["unknown_fields"], json!(["colour"]));
}

#[tokio::test]
async fn a_visitor_without_a_name_gets_pages_of_their_session() {
    let app = app();
    let event = json!({"session_id": "s1", "item_id": "item3", "action": "hide"}).to_string();
    assert_eq!(post(app.clone(), &event).await.0, StatusCode::ACCEPTED);
    let (status, page) = send(app, get_request("/recommendations?session_id=s1&count=6")).await;
    assert_eq!((status, &page["user_id"]), (StatusCode::OK, &json!("session:s1")));
    assert!(!page["items"].to_string().contains("item3"), "what is hidden stays hidden: {page}");
}

#[tokio::test]
async fn a_batch_says_when_it_was_sent() {
    let hour = 3_600_000;
    let app = app();
    let (_, history) = send(app.clone(), get_request("/history?user_id=ann")).await;
    let known = history["total"].as_u64().expect("a count");
    // Years ahead of the server, but a moment before it was sent.
    let ahead = 4_000_000_000_000_i64;
    let event = json!({"user_id": "ann", "item_id": "item3", "action": "click", "timestamp": ahead - hour});
    let batch = json!({"events": [event], "sent_at": ahead}).to_string();
    let (status, outcome) = post(app.clone(), &batch).await;
    assert_eq!((status, &outcome["accepted"]), (StatusCode::ACCEPTED, &json!(1)), "{outcome}");
    assert_eq!(post(app.clone(), &batch).await.1["duplicates"], 1, "its id is made of what it says");
    let (_, history) = send(app.clone(), get_request("/history?user_id=ann")).await;
    assert_eq!(history["total"].as_u64(), Some(known + 1));
    for wrong in [json!("now"), json!(-1), json!(1.5)] {
        let (status, answer) =
            post(app.clone(), &json!({"events": [event], "sent_at": wrong}).to_string()).await;
        assert_eq!((status.as_u16(), &answer["error"]["field"]), (400, &json!("sent_at")));
    }
}

#[tokio::test]
async fn rejected_events_are_kept_and_can_be_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOW)));
    let (dead, _) = DeadLetters::open(folder.path(), &LogConfig::default(), clock).expect("it opens");
    let dead = Arc::new(dead);
    let app = Api::new(recommender(snapshot(), None), CONFIG()).dead_letters(Arc::clone(&dead)).router();
    let batch = format!(r#"[{EVENT}, {{"user_id": "ann", "position": 0}}, 7]"#);
    assert_eq!(post(app.clone(), &batch).await.1["accepted"], 1);
    let (_, kept) = send(app.clone(), get_request("/interactions/rejected")).await;
    assert_eq!((&kept["total"], &kept["rejected"][1]["event"]), (&json!(2), &json!(7)), "{kept}");
    let first = &kept["rejected"][0];
    assert_eq!((&first["event"], &first["at"]), (&json!({"user_id": "ann", "position": 0}), &json!(NOW)));
    assert_eq!(first["problems"].as_array().map(Vec::len), Some(3), "item, action and position: {first}");
    let (_, next) = send(app.clone(), get_request("/interactions/rejected?after=0&limit=1")).await;
    assert_eq!((&next["total"], &next["rejected"][0]["event"]), (&json!(2), &json!(7)));

    // What an older server could not use.
    let event = serde_json::from_str(EVENT).expect("JSON");
    let letter = DeadLetter { at: Timestamp::from_millis(NOW), sent_at: None, event, problems: vec![] };
    dead.put(&[letter]).await.expect("there is room");
    for settled in [1, 0] {
        let (_, outcome) = post_to(app.clone(), "/interactions/rejected/replay", "").await;
        assert_eq!(outcome, json!({"settled": settled, "left": 2}));
    }
    let (_, history) = send(app, get_request("/history?user_id=ann")).await;
    assert_eq!(history["items"][0]["count"], 2, "one at once and the one that was tried again: {history}");
}

#[tokio::test]
async fn what_is_misspelt_beside_events_loses_none_of_them() {
    for (field, known) in [("version", false), ("sent_At", false), ("user_id", false), ("sent_at", true)] {
        let batch = format!(r#"{{"events": [{EVENT}], "{field}": {NOW}}}"#);
        let (status, outcome) = post(app(), &batch).await;
        assert_eq!((status, &outcome["accepted"]), (StatusCode::ACCEPTED, &json!(1)), "{field}: {outcome}");
        let unknown = if known { json!([]) } else { json!([field]) };
        assert_eq!(outcome["unknown_fields"], unknown);
    }
    let own = EVENT.replace('{', r#"{"events": [1], "#);
    let (_, outcome) = post(app(), &own).await;
    assert_eq!(
        (&outcome["accepted"], &outcome["unknown_fields"]),
        (&json!(1), &json!(["events"])),
        "a field of one's own"
    );
}

#[tokio::test]
async fn parameters_that_nobody_knows_are_refused() {
    let (status, answer) = post_to(app(), "/interactions?foo=1", EVENT).await;
    assert_eq!((status.as_u16(), &answer["error"]["field"]), (400, &json!("foo")));
    assert_eq!(answer["error"]["message"], "there is no parameter `foo`; there are none");
}

#[tokio::test]
async fn the_id_that_means_none_is_refused() {
    let named = EVENT.replace('{', r#"{"id":"00000000-0000-0000-0000-000000000000","#);
    let (status, answer) = post(app(), &named).await;
    assert_eq!((status.as_u16(), &answer["rejected"][0]["field"]), (422, &json!("id")), "{answer}");
}

#[tokio::test]
async fn a_time_that_looks_like_seconds_is_remarked() {
    for (timestamp, n_remarks) in [(NOW / 1_000, 1), (NOW, 0), (NOW - 86_400_000, 0)] {
        let event = json!({"user_id": "ann", "item_id": "item3", "action": "click", "timestamp": timestamp});
        let (status, outcome) = post(app(), &event.to_string()).await;
        assert_eq!((status, &outcome["accepted"]), (StatusCode::ACCEPTED, &json!(1)), "{outcome}");
        let remarks = outcome["remarks"].as_array().expect("a list");
        assert_eq!(remarks.len(), n_remarks, "{outcome}");
        assert!(
            remarks.iter().all(|remark| remark.as_str().is_some_and(|text| text.contains("milliseconds")))
        );
    }
}

#[tokio::test]
async fn one_replay_at_a_time_goes_on_when_who_asked_has_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOW)));
    let (dead, _) = DeadLetters::open(folder.path(), &LogConfig::default(), clock).expect("it opens");
    let dead = Arc::new(dead);
    let event = serde_json::from_str(EVENT).expect("JSON");
    let letter = DeadLetter { at: Timestamp::from_millis(NOW), sent_at: None, event, problems: vec![] };
    dead.put(&[letter]).await.expect("there is room");
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let sink = Slow { log: MemoryLog::default(), go: Arc::clone(&go) };
    let config = HttpConfig { timeout_ms: 200, ..CONFIG() };
    let recommender = recommender(snapshot(), Some(Arc::new(sink)));
    let app = Api::new(recommender, config).dead_letters(Arc::clone(&dead)).router();
    let again = || post_to(app.clone(), "/interactions/rejected/replay", "");
    assert_eq!(again().await.0, StatusCode::SERVICE_UNAVAILABLE);
    let (status, answer) = again().await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("under_way")));
    go.add_permits(1);
    while again().await.0 == StatusCode::CONFLICT {
        tokio::task::yield_now().await;
    }
    assert_eq!(dead.outstanding(None, 1).expect("it can be read").total, 0);
}

#[tokio::test]
async fn the_schema_is_served() {
    let (status, schema) = send(app(), get_request("/interactions/schema")).await;
    assert_eq!((status, &schema["$id"]), (StatusCode::OK, &json!("urn:reco:event:1")));
}

#[tokio::test]
async fn the_next_page_feels_them() {
    let app = app();
    let hidden = EVENT.replace("click", "hide");
    assert_eq!(post(app.clone(), &hidden).await.0, StatusCode::ACCEPTED);
    let (_, page) = send(app.clone(), get_request("/recommendations?user_id=ann&count=6")).await;
    assert!(!page["items"].to_string().contains("item3"), "what is hidden stays hidden: {page}");
    let (_, history) = send(app, get_request("/history?user_id=ann")).await;
    assert_eq!((&history["total"], &history["items"][0]["rejected"]), (&json!(2), &json!(true)), "{history}");
}

#[tokio::test]
async fn an_event_counts_once_and_one_without_an_id_every_time() {
    let app = app();
    let named = EVENT.replace("{\"user_id", "{\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"user_id");
    assert_eq!(post(app.clone(), &named).await.1["accepted"], 1);
    assert_eq!(post(app.clone(), &named).await.1["duplicates"], 1);
    for _ in 0..2 {
        let request = Request::post("/interactions")
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header("x-request-id", "the-same-from-a-proxy");
        let request = request.body(Body::from(EVENT)).expect("a valid request");
        assert_eq!(send(app.clone(), request).await.1["accepted"], 1);
    }
    let unknown = EVENT.replace("item3", "brand-new");
    assert_eq!(post(app.clone(), &unknown).await.1["unknown_items"], json!(["brand-new"]));
    let slip = json!({ "user_id": "ann", "item_id": "tea", "action": "Purchse" }).to_string();
    assert_eq!(post(app.clone(), &slip).await.1["unweighted_actions"], json!(["purchse"]));
    let spelled = json!({ "user_id": "ann", "item_id": "tea", "action": "Add to cart" }).to_string();
    assert_eq!(post(app, &spelled).await.1["unweighted_actions"], json!([]));
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    for (body, status, code) in [
        ("", 400, "invalid_json"),
        ("nonsense", 400, "invalid_json"),
        ("[1,", 400, "invalid_json"),
        ("3", 400, "invalid_json"),
        (&"[".repeat(10_000), 400, "invalid_json"),
        ("[]", 400, "invalid_parameter"),
        (&format!("[{EVENT},{EVENT},{EVENT},{EVENT}]"), 400, "invalid_parameter"),
        (r#"{"events": 3}"#, 400, "invalid_parameter"),
        (r#"{"user_id":"a"}"#, 422, "no_event_accepted"),
        (&EVENT.replace("ann", ""), 422, "no_event_accepted"),
        (&EVENT.replace("click", "rating"), 422, "no_event_accepted"),
        (&format!("\"{}\"", "x".repeat(2 << 20)), 413, "body_too_large"),
    ] {
        let (got, answer) = post(app(), body).await;
        let seen = (got.as_u16(), answer["error"]["code"].as_str());
        assert_eq!(seen, (status, Some(code)), "{}: {answer}", &body[..body.len().min(40)]);
    }
    let (_, answer) = post(app(), "{\n  \"user_id\": oops}").await;
    assert!(
        answer["error"]["message"].as_str().is_some_and(|text| text.contains("line 2 column")),
        "{answer}"
    );
}

#[tokio::test]
async fn only_json_is_taken() {
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut request = Request::post("/interactions");
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let (status, body) = send(app(), request.body(Body::from(EVENT)).expect("a valid request")).await;
        assert_eq!(
            (status.as_u16(), &body["error"]["code"]),
            (415, &json!("unsupported_media_type")),
            "{kind:?}"
        );
    }
}

/// A log that fails, or never answers.
#[derive(Debug)]
struct Broken(Option<FaultKind>);

#[async_trait]
impl EventSink for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    async fn append(&self, _: &[Event]) -> Result<Appended, Fault> {
        match self.0 {
            Some(kind) => Err(Fault::new("broken", kind)),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn a_log_that_fails_is_told_from_one_that_hangs() {
    for (kind, status, code) in [
        (Some(FaultKind::Unavailable), 503, "component_failed"),
        (Some(FaultKind::Internal), 500, "component_failed"),
        (None, 503, "too_slow"),
    ] {
        let app = router(
            recommender(snapshot(), Some(Arc::new(Broken(kind)))),
            HttpConfig { timeout_ms: 20, ..CONFIG() },
        );
        let (got, body) = post(app, EVENT).await;
        assert_eq!((got.as_u16(), body["error"]["code"].as_str()), (status, Some(code)), "{kind:?}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_told_from_a_log_that_hangs() {
    let app = router(recommender(snapshot(), None), HttpConfig { timeout_ms: 20, ..CONFIG() });
    let begun = stream::iter([Ok::<_, Infallible>("[{\"user_id\":")]);
    let body = Body::from_stream(begun.chain(stream::pending()));
    let request = Request::post("/interactions").header(header::CONTENT_TYPE, "application/json");
    let (status, body) = send(app, request.body(body).expect("a valid request")).await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (408, &json!("timed_out")));
}

/// A log that keeps events as soon as it is let.
#[derive(Debug)]
struct Slow {
    log: MemoryLog,
    go: Arc<tokio::sync::Semaphore>,
}

#[async_trait]
impl EventSink for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    async fn append(&self, events: &[Event]) -> Result<Appended, Fault> {
        let _go = self.go.acquire().await;
        self.log.append(events).await
    }
}

#[tokio::test]
async fn what_is_kept_is_felt_although_the_client_has_gone() {
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let sink = Slow { log: MemoryLog::default(), go: Arc::clone(&go) };
    let config = HttpConfig { timeout_ms: 20, ..CONFIG() };
    let app = router(recommender(snapshot(), Some(Arc::new(sink))), config);
    assert_eq!(post(app.clone(), EVENT).await.0, StatusCode::SERVICE_UNAVAILABLE);
    go.add_permits(1);
    // The first is kept now and felt before a second is: this one waits its turn behind it.
    let named = EVENT.replace("item3", "item4");
    assert_eq!(post(app.clone(), &named).await.0, StatusCode::ACCEPTED);
    let (_, history) = send(app, get_request("/history?user_id=ann")).await;
    let items = history["items"].to_string();
    assert!(items.contains("item3") && items.contains("item4"), "{history}");
}
