//! What is the same for all routes: ids, methods, headers, the end.

use crate::world::{app, exchange, get_request, send};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use flate2::read::GzDecoder;
use reco_http::{Stopped, serve};
use serde_json::json;
use std::io::Read;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_sane_request_id_comes_back() {
    for (sent, kept) in [("4bf92f3577b34da6", true), ("<script>", false)] {
        let request = Request::get("/recommendations?user_id=a&count=1").header("x-request-id", sent);
        let request = request.body(Body::empty()).expect("a valid request");
        let response = exchange(app(), request).await;
        assert_eq!(response.headers()["x-request-id"] == sent, kept, "{sent}");
    }
}

#[tokio::test]
async fn wrong_methods_are_told_the_right_ones() {
    for (method, path, allowed) in
        [("GET", "/interactions", "POST"), ("POST", "/recommendations", "GET"), ("DELETE", "/users", "GET")]
    {
        let request =
            Request::builder().method(method).uri(path).body(Body::empty()).expect("a valid request");
        let response = exchange(app(), request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        let allow = response.headers().get(header::ALLOW).and_then(|allow| allow.to_str().ok());
        assert!(allow.is_some_and(|allow| allow.contains(allowed)), "{method} {path}: {allow:?}");
        let request =
            Request::builder().method(method).uri(path).body(Body::empty()).expect("a valid request");
        assert_eq!(send(app(), request).await.1["error"]["code"], json!("method_not_allowed"));
    }
}

#[tokio::test]
async fn the_page_brings_its_policy_and_nothing_from_elsewhere() {
    let assets =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets")).expect("the folder is there");
    for file in assets {
        let name = file.expect("a readable entry").file_name().into_string().expect("a plain name");
        let path = match &*name {
            "index.html" => "/".to_owned(),
            "reco.js" => "/reco.js".to_owned(),
            name => format!("/assets/{name}"),
        };
        let response = exchange(app(), get_request(&path)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("plain text");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a small file");
        let text = String::from_utf8_lossy(&body);
        for elsewhere in ["https://", "http://", "innerHTML", "eval("] {
            assert!(!text.contains(elsewhere), "{path} contains {elsewhere}");
        }
    }
}

#[tokio::test]
async fn the_script_for_other_pages_comes_packed() {
    let plain = exchange(app(), get_request("/reco.js")).await;
    let packed = Request::get("/reco.js").header(header::ACCEPT_ENCODING, "gzip, br").body(Body::empty());
    let packed = exchange(app(), packed.expect("a valid request")).await;
    for response in [&plain, &packed] {
        let said =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(said(header::CONTENT_TYPE).starts_with("text/javascript"));
        assert_eq!(
            (said(header::VARY), said(header::CACHE_CONTROL)),
            ("accept-encoding", "public, max-age=3600")
        );
    }
    assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
    let body =
        |response: Response| async { to_bytes(response.into_body(), 1 << 20).await.expect("a small file") };
    let (plain, packed) = (body(plain).await, body(packed).await);
    assert!(packed.len() <= 2_048, "{} bytes", packed.len());
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("it is gzip");
    assert_eq!(text.as_bytes(), plain);
}

#[tokio::test]
async fn serving_ends_when_asked_after_the_requests_under_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, app(), async {
        stopped.await.ok();
    }));
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(b"POST /interactions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 52\r\n\r\n").await.expect("it reads");
    // The request is known to be under way once another one, begun later, has its answer.
    let mut other = TcpStream::connect(address).await.expect("the server listens");
    other.write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("it reads");
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop.send(()).expect("the server waits for it");
    stream
        .write_all(br#"{"user_id":"ann","item_id":"item3","action":"click"}"#)
        .await
        .expect("it still reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let stopped = server.await.expect("no panic").expect("a clean end");
    assert_eq!(stopped, Stopped::Drained);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
