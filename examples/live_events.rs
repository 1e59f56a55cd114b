//! Events change the very next page: somebody nobody trained on looks around, buys, hides an item, and each time
//! gets another page. Their vector is folded in from their events at request time; nothing is trained again.
//!
//! `cargo run --example live_events`

mod shop;

use reco::event::{Action, Event, EventId};
use reco::explain;
use reco::page::Page;
use reco::pipeline::Recommender;
use reco::request::Request;
use std::error::Error;
use std::io::{self, Write};

const STEPS: [(&str, &str); 3] = [("click", "darjeeling"), ("purchase", "matcha"), ("hide", "whisk")];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout()).await
}

/// Writes the stranger's page before and after each event to `out`.
pub(crate) async fn run(out: &mut (dyn Write + Send)) -> Result<(), Box<dyn Error>> {
    let recommender = shop::pipeline().builder(shop::snapshot()?)?.build()?;
    let mut page = page(&recommender).await?;
    writeln!(out, "{:<20} {}", "a stranger sees", line(&page))?;
    for (number, (action, item)) in (1..).zip(STEPS) {
        let event = Event {
            // Sent twice it counts once, so a client may repeat what it is not sure of.
            id: EventId(number),
            user: "zoe".into(),
            item: item.into(),
            action: Action::from(action),
            value: None,
            at: recommender.clock().wall(),
            details: None,
        };
        let taken = recommender.ingest(vec![event.clone(), event]).await?;
        assert_eq!((taken.accepted, taken.duplicates), (1, 1));
        page = self::page(&recommender).await?;
        writeln!(out, "{:<20} {}", format!("{action} {item}"), line(&page))?;
    }
    writeln!(out, "\nWhy {} is first now:", page.items[0].key)?;
    let catalog = &recommender.snapshot().catalog;
    for reason in page.items[0].why.iter().flat_map(|why| explain::reasons(why, catalog)) {
        writeln!(out, "  {reason}")?;
    }
    Ok(())
}

async fn page(recommender: &Recommender) -> Result<Page, Box<dyn Error>> {
    Ok(recommender.recommend(Request::for_user("zoe").count(5)).await?)
}

fn line(page: &Page) -> String {
    page.items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>().join(", ")
}
