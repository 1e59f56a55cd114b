//! Sends what a user does to a server that runs: `reco serve`, and then `cargo run -p reco-client --example track`.

use reco_client::{Action, Client, ClientConfig, Event, Who};
use std::error::Error;
use std::io::Write;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| ClientConfig::default().url);
    run(url, &mut std::io::stdout()).await
}

/// Tracks a visit and says what became of it.
pub(crate) async fn run(url: String, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let (refused, mut refusals) = tokio::sync::mpsc::unbounded_channel();
    let client = Client::builder(ClientConfig { url, ..ClientConfig::default() })
        // Fails only when nobody listens any more.
        .on_lost(move |lost| drop(refused.send(lost)))
        .start()?;

    let ann = || Who::user("ann");
    for (place, item) in (1..).zip(["1082185", "995242", "981760"]) {
        client.try_track(Event::new(ann(), Action::Impression, item).shown("page-1", place))?;
    }
    client.try_track(
        Event::new(ann(), Action::Click, "995242").shown("page-1", 2).context("device", "phone"),
    )?;
    client.track(Event::new(ann(), Action::Rating(4.5), "995242")).await?;
    client.track(Event::new(ann(), Action::Purchase, "")).await?;

    let left = client.close(Duration::from_secs(10)).await;
    let stats = client.stats();
    writeln!(out, "{} sent, {} refused, {} left", stats.sent, stats.refused, left.len())?;
    while let Ok(lost) = refusals.try_recv() {
        writeln!(out, "refused: {}", lost.cause)?;
    }
    Ok(())
}
