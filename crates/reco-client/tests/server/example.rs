//! The example, against a server.

#![allow(dead_code, reason = "the `main` of an example is for `cargo run --example`")]

#[path = "../../examples/track.rs"]
mod track;

use crate::sockets::serve;
use crate::world::Server;
use reco_http::HttpConfig;

#[tokio::test]
async fn the_example_sends_a_visit_and_says_what_was_wrong() {
    let server = Server::new(HttpConfig::default());
    let address = serve(&server).await.expect("a free port");
    let mut out = Vec::new();
    track::run(format!("http://{address}"), &mut out).await.expect("it runs");
    let said = String::from_utf8(out).expect("text");
    assert_eq!(said, "5 sent, 1 refused, 0 left\nrefused: item_id is empty\n");
    assert_eq!(server.ids().await.len(), 5);
}
