//! The example says what it should.

use crate::rig::{Server, present};

#[allow(dead_code, reason = "its `main` is for those who run it")]
#[path = "../../examples/fleet.rs"]
mod fleet;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_what_they_know() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let mut out = Vec::new();
    fleet::run(&server.address(), &mut out).await.unwrap();
    let said = String::from_utf8(out).unwrap();
    for part in
        ["[\"tea\"]", "98 left", "new true, sent again false", "trending      tea", "(you bought honey)"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}
