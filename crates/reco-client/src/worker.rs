//! The task that sends.

use crate::client::Shared;
use crate::lost::{Cause, Lost};
use crate::pause::pause;
use crate::queue::{Outlook, Waiting};
use crate::transport::Transport;
use crate::verdict::{Problem, Verdict, judge};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// What a request has beside its events: the field names and the moment at which it was sent.
pub(crate) const ENVELOPE_BYTES: usize = 64;

/// Takes batches off the queue and sends each until it is settled.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    transport: Arc<dyn Transport>,
    /// The batch that is under way. Here rather than in a future, so that it is there whenever the task ends.
    batch: Vec<Waiting>,
    /// Most events of a request: fewer than configured once the server finds that too many.
    most_events: usize,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, transport: Arc<dyn Transport>) -> Self {
        let most_events = shared.config.most_events;
        Self { shared, transport, batch: Vec::new(), most_events }
    }

    /// Sends until the client was closed and nothing is left, or its time is over.
    pub(crate) async fn run(mut self) {
        let mut closing = self.shared.closing.subscribe();
        let out_of_time = async {
            let end = closing.wait_for(Option::is_some).await.ok().and_then(|end| *end);
            sleep_until(end.unwrap_or_else(Instant::now)).await;
        };
        tokio::select! {
            () = self.work() => {}
            () = out_of_time => {}
        }
    }

    async fn work(&mut self) {
        while self.next_batch().await {
            self.deliver().await;
        }
    }

    /// Waits for events to send; `false` when there will be none.
    async fn next_batch(&mut self) -> bool {
        loop {
            let outlook = self.shared.queue.lock().outlook(&self.shared.config, Instant::now());
            match outlook {
                Outlook::Ready => break,
                Outlook::Over => return false,
                Outlook::Empty => self.shared.news.notified().await,
                Outlook::Until(due) => tokio::select! {
                    () = self.shared.news.notified() => {}
                    () = sleep_until(due) => {}
                },
            }
        }
        let most_bytes = self.shared.config.most_bytes as usize - ENVELOPE_BYTES;
        self.batch = self.shared.queue.lock().take(self.most_events, most_bytes);
        true
    }

    /// Sends the batch until everything about it is decided.
    async fn deliver(&mut self) {
        let mut closing = self.shared.closing.subscribe();
        for failures in 0.. {
            let (why, asked) = match self.attempt().await {
                Verdict::Again { why, asked } => (why, asked),
                verdict => return self.settle(verdict),
            };
            let pause = pause(&self.shared.config, failures, asked, &mut *self.shared.random.lock());
            if failures == 0 {
                tracing::warn!(why, events = self.batch.len(), ?pause, "events could not be sent and wait");
            }
            tokio::select! {
                () = sleep(pause) => {}
                // Who closes the client does not wait for a pause from before.
                _ = closing.changed() => {}
            }
            self.shared.queue.lock().stats.repeats += 1;
        }
    }

    async fn attempt(&self) -> Verdict {
        let within = self.shared.config.answer_within();
        match timeout(within, self.transport.post(self.body())).await {
            Ok(Ok(answer)) => judge(&answer, self.batch.len()),
            Ok(Err(unanswered)) => Verdict::Again { why: with_causes(&unanswered), asked: None },
            Err(_) => Verdict::Again { why: format!("no answer within {within:?}"), asked: None },
        }
    }

    /// The request says when it was sent, so that the server can put the times of a clock right that is wrong.
    fn body(&self) -> Bytes {
        let events: Vec<&str> = self.batch.iter().map(|event| &*event.json).collect();
        let sent_at = (self.shared.clock)().max(0);
        Bytes::from(format!(r#"{{"sent_at":{sent_at},"events":[{}]}}"#, events.join(",")))
    }

    fn settle(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Judged { wrong, repeated } => {
                self.shared.queue.lock().stats.duplicates += repeated as u64;
                self.sort_out(wrong);
            }
            Verdict::TooMuch(problem) if self.batch.len() > 1 => {
                self.most_events = self.batch.len() / 2;
                tracing::warn!(%problem, most_events = self.most_events, "requests are made smaller from now on");
                let batch = std::mem::take(&mut self.batch);
                self.shared.queue.lock().put_back(batch);
            }
            Verdict::TooMuch(problem) | Verdict::Refused(problem) => {
                let all = (0..self.batch.len()).map(|place| (place, vec![problem.clone()]));
                self.sort_out(all.collect());
            }
            Verdict::Again { .. } => unreachable!("such a batch is not settled"),
        }
    }

    /// Reports the events that are wrong and lets go of all.
    fn sort_out(&mut self, mut wrong: BTreeMap<usize, Vec<Problem>>) {
        let batch = std::mem::take(&mut self.batch);
        let (n_events, n_wrong) = (batch.len() as u64, wrong.len() as u64);
        for (place, waiting) in batch.into_iter().enumerate() {
            if let Some(problems) = wrong.remove(&place) {
                self.report(Lost { event: waiting.event(), cause: Cause::Refused(problems) });
            }
        }
        let settled = {
            let stats = &mut self.shared.queue.lock().stats;
            stats.sent += n_events - n_wrong;
            stats.refused += n_wrong;
            stats.waiting -= n_events;
            stats.settled()
        };
        self.shared.settled.send_replace(settled);
    }

    /// A panic of whoever hears of it is theirs; the other events are still to be sent.
    fn report(&self, lost: Lost) {
        if catch_unwind(AssertUnwindSafe(|| (self.shared.on_lost)(lost))).is_err() {
            tracing::error!("what was to hear of a lost event panicked");
        }
    }
}

impl Drop for Worker {
    /// However the task ends, even with its runtime: what is left goes to whoever closed the client, or is reported.
    fn drop(&mut self) {
        let mut left = std::mem::take(&mut self.batch);
        let (settled, heir) = {
            let mut queue = self.shared.queue.lock();
            queue.closed = true;
            left.extend(queue.waiting.drain(..));
            queue.stats.dropped += left.len() as u64;
            queue.stats.waiting = 0;
            (queue.stats.settled(), self.shared.heir.lock().take())
        };
        let events = left.iter().map(Waiting::event).collect();
        let unclaimed = match heir {
            Some(heir) => heir.send(events).err().unwrap_or_default(),
            None => events,
        };
        unclaimed.into_iter().for_each(|event| self.report(Lost { event, cause: Cause::Dropped }));
        self.shared.settled.send_replace(settled);
    }
}

/// What went wrong, with everything underneath: the outermost error says little.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
