//! Events that wait, and what became of those that no longer do.

use crate::config::ClientConfig;
use crate::event::Event;
use serde::Serialize;
use std::collections::VecDeque;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// Counts since the client was started. `tracked` is always `sent + refused + dropped + waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Events that the client took.
    pub tracked: u64,
    /// Of these: kept by the server, each once.
    pub sent: u64,
    /// Of these: refused by the server, and reported.
    pub refused: u64,
    /// Of these: given up when the client ended, and reported or handed back.
    pub dropped: u64,
    /// Of these: not settled yet.
    pub waiting: u64,
    /// Events that the client did not take, which `track` and `try_track` told their callers.
    pub turned_away: u64,
    /// Requests that were sent again.
    pub repeats: u64,
    /// Events that the server had already when they came, so that they counted once.
    pub duplicates: u64,
}

impl Stats {
    /// Events about which everything is decided; events are settled in the order in which they came.
    pub(crate) fn settled(&self) -> u64 {
        self.sent + self.refused + self.dropped
    }
}

/// An event on its way, as JSON.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) json: Box<str>,
    pub(crate) since: Instant,
    /// Its share of the buffer.
    pub(crate) _room: OwnedSemaphorePermit,
}

impl Waiting {
    /// What an event takes beside its JSON.
    pub(crate) const OVERHEAD: usize = 64;

    pub(crate) fn event(&self) -> Event {
        serde_json::from_str(&self.json).expect("the client wrote it itself")
    }
}

/// What to do with a queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// There is a batch to send.
    Ready,
    /// There will be one then, if not earlier.
    Until(Instant),
    /// Nothing waits.
    Empty,
    /// Nothing waits and nothing will come.
    Over,
}

/// Events in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) stats: Stats,
    /// No more are taken.
    pub(crate) closed: bool,
    /// As many of the events tracked so far do not wait for company.
    urgent: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, event: Waiting) {
        self.waiting.push_back(event);
        self.stats.tracked += 1;
        self.stats.waiting += 1;
    }

    /// All that wait are sent now.
    pub(crate) fn hurry(&mut self) {
        self.urgent = self.stats.tracked;
    }

    /// Puts events back that were taken last, to be sent in smaller batches at once.
    pub(crate) fn put_back(&mut self, events: Vec<Waiting>) {
        let next = self.n_taken();
        self.urgent = self.urgent.max(next);
        events.into_iter().rev().for_each(|event| self.waiting.push_front(event));
    }

    pub(crate) fn outlook(&self, config: &ClientConfig, now: Instant) -> Outlook {
        let Some(oldest) = self.waiting.front() else {
            return if self.closed { Outlook::Over } else { Outlook::Empty };
        };
        let due = oldest.since + config.batch_wait();
        let is_urgent = self.closed || self.n_taken() < self.urgent;
        if is_urgent || self.waiting.len() >= config.batch_events || due <= now {
            return Outlook::Ready;
        }
        Outlook::Until(due)
    }

    /// The oldest events, as many as a request may hold; at least one if there is any.
    pub(crate) fn take(&mut self, most_events: usize, most_bytes: usize) -> Vec<Waiting> {
        let mut n_bytes = 0;
        let fits = self.waiting.iter().take(most_events).take_while(|event| {
            n_bytes += event.json.len() + 1;
            n_bytes <= most_bytes
        });
        let n_events = fits.count().max(1).min(self.waiting.len());
        self.waiting.drain(..n_events).collect()
    }

    /// Events that are no longer in the queue.
    fn n_taken(&self) -> u64 {
        self.stats.tracked - self.waiting.len() as u64
    }
}
