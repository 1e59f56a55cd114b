//! Sends events to a reco server: in batches, again until they are kept, each counted once.
//!
//! ```no_run
//! use reco_client::{Action, Client, ClientConfig, Event, Who};
//! use std::time::Duration;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::start(ClientConfig { url: "http://reco:8080".into(), ..ClientConfig::default() })?;
//! client.try_track(Event::new(Who::user("ann"), Action::Click, "tea").shown("page-7", 3))?;
//! client.track(Event::new(Who::user("ann"), Action::Rating(4.5), "tea")).await?;
//! let left = client.close(Duration::from_secs(10)).await;
//! assert!(left.is_empty(), "the server was away for ten seconds");
//! # Ok(())
//! # }
//! ```
//!
//! `docs/clients.md` has what is promised, and the same for pages in a browser.

mod builder;
mod client;
mod config;
mod event;
mod http;
mod id;
mod lost;
mod pause;
mod queue;
#[cfg(feature = "https")]
mod tls;
mod transport;
mod verdict;
mod worker;

pub use builder::ClientBuilder;
pub use client::{Client, TrackError};
pub use config::{ClientConfig, ConfigError};
pub use event::{Action, Event, Who};
pub use http::HttpTransport;
pub use id::{BadEventId, EventId};
pub use lost::{Cause, Lost};
pub use queue::Stats;
pub use transport::{Answer, Transport, Unanswered};
pub use verdict::Problem;
