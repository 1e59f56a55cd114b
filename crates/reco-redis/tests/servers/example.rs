//! The example says what it should.

use crate::rig::{Server, present};
use reco_redis::RedisClient;

#[allow(dead_code, reason = "its `main` is for those who run it")]
#[path = "../../examples/fleet.rs"]
mod fleet;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_what_they_know() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    share(&server.client(), &server.client()).await;
}

/// Uses all parts as the example does.
pub(crate) async fn share(one: &RedisClient, other: &RedisClient) {
    let mut out = Vec::new();
    fleet::share(one, other, &mut out).await.expect("all parts work");
    let said = String::from_utf8(out).expect("text");
    for part in [
        "[\"tea\"]",
        "98 left",
        "new true, sent again false",
        "trending      tea",
        "(you bought honey)",
        "1 event, though",
        "Some(\"drinks\")",
        "[0.5, -1.0]",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
