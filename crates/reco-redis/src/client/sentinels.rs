//! Who the primary is, as the sentinels have it.
//!
//! After a fail-over, sentinels learn one after the other who the new primary is, and the old one may come back and
//! think that it still is. So all sentinels are asked, and the one with the latest configuration epoch is believed,
//! never an epoch before one that was heard of.
//!
//! What a primary acknowledges counts if it was heard a moment before: the sentinels replace it only after a longer
//! silence. An answer after a silence counts if the sentinels, asked after it came, still name who gave it. So
//! nothing that was acknowledged is with a primary that stopped, was replaced, and came back.

use super::endpoint::Endpoint;
use crate::address::Address;
use crate::error::{CallError, Trouble};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use reco_core::time::Clock;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// The sentinels of one service.
#[derive(Debug)]
pub(crate) struct Sentinels {
    seats: Vec<Seat>,
    service: String,
    endpoint: Endpoint,
    clock: Arc<dyn Clock>,
    confirm: Duration,
    known: Mutex<Known>,
    /// One asks for all who want to know.
    asking: tokio::sync::Mutex<()>,
}

/// One sentinel and the connection to it.
#[derive(Debug)]
struct Seat {
    address: Address,
    /// Whether it answered when it was asked last. Nobody waits for one that did not.
    present: AtomicBool,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
}

#[derive(Debug, Default)]
struct Known {
    primary: Option<Primary>,
    /// Counts the primaries we had, so that a connection can be told from one to an earlier primary.
    term: u64,
    /// When the sentinels were asked who said so last.
    confirmed: Option<Instant>,
    /// When the primary of this term gave its last answer that counted.
    heard: Option<Instant>,
    /// Something happened that a primary does not do.
    doubted: bool,
}

/// What a sentinel says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Primary {
    address: Address,
    /// The epoch of the configuration: every fail-over has a later one.
    epoch: u64,
}

/// Host and port of the primary, and everything that is known of it.
type Said = (Option<(String, u16)>, HashMap<String, String>);

impl Sentinels {
    /// How long the others are waited for once one has answered.
    const GRACE: Duration = Duration::from_millis(100);

    pub(crate) fn new(
        addresses: Vec<Address>,
        service: String,
        endpoint: Endpoint,
        clock: Arc<dyn Clock>,
        confirm: Duration,
    ) -> Self {
        let seat = |address| Seat {
            address,
            present: AtomicBool::new(true),
            connection: tokio::sync::Mutex::default(),
        };
        let seats = addresses.into_iter().map(seat);
        let (known, asking) = Default::default();
        Self { seats: seats.collect(), service, endpoint, clock, confirm, known, asking }
    }

    /// The primary and the number of its term.
    pub(crate) async fn primary(&self) -> Result<(Address, u64), CallError> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let _turn = self.asking.lock().await;
        match self.fresh() {
            Some(fresh) => Ok(fresh),
            None => self.ask(false).await,
        }
    }

    /// The number of the current term.
    pub(crate) fn term(&self) -> u64 {
        self.known.lock().term
    }

    /// An answer came from the primary of `term`. True if it counts.
    pub(crate) async fn heard(&self, term: u64) -> bool {
        let now = self.clock.now();
        if self.hear(term, now, |known| known.heard.is_some_and(|before| now <= before + self.confirm)) {
            return true;
        }
        let _turn = self.asking.lock().await;
        // Others may have waited for the same; an older answer says nothing about what happened since.
        let asked_since = self.known.lock().confirmed.is_some_and(|asked| asked > now);
        (asked_since || self.ask(false).await.is_ok()) && self.hear(term, now, |_| true)
    }

    fn hear(&self, term: u64, now: Instant, counts: impl FnOnce(&Known) -> bool) -> bool {
        let mut known = self.known.lock();
        let counts = known.term == term && counts(&known);
        if counts {
            known.heard = known.heard.max(Some(now));
        }
        counts
    }

    /// The primary of `term` did not behave like one: ask again before it is used again.
    pub(crate) fn doubt(&self, term: u64) {
        let mut known = self.known.lock();
        known.doubted |= known.term == term;
    }

    /// The server that should be the primary of `term` says that it is none. Then what we believed is worth nothing,
    /// not even its epoch: sentinels that were set up anew count from the beginning.
    pub(crate) fn disown(&self, term: u64) {
        let mut known = self.known.lock();
        if known.term == term {
            known.primary = None;
        }
    }

    /// Asks every now and then until nobody wants to know any more.
    pub(crate) async fn watch(sentinels: Weak<Self>) {
        while let Some(sleep) =
            sentinels.upgrade().map(|all| all.clock.sleep_until(all.clock.now() + all.confirm))
        {
            sleep.await;
            let Some(all) = sentinels.upgrade() else { return };
            let _turn = all.asking.lock().await;
            // Whoever needs an answer and finds none asks for themselves and is told the error.
            let _ = all.ask(true).await;
        }
    }

    fn fresh(&self) -> Option<(Address, u64)> {
        let known = self.known.lock();
        let confirmed = known.confirmed.filter(|_| !known.doubted)?;
        let lapses = confirmed + self.confirm * 4;
        known
            .primary
            .as_ref()
            .filter(|_| self.clock.now() < lapses)
            .map(|it| (it.address.clone(), known.term))
    }

    /// Asks all sentinels. One that was cut off holds up nobody but the patient.
    async fn ask(&self, patient: bool) -> Result<(Address, u64), CallError> {
        let begun = self.clock.now();
        let ask = |seat| async move { (seat, self.ask_one(seat).await) };
        let mut answers: FuturesUnordered<_> = self.seats.iter().map(ask).collect();
        let awaited = |seat: &Seat| patient || seat.present.load(Ordering::Relaxed);
        let mut missing: Vec<&Address> =
            self.seats.iter().filter(|seat| awaited(seat)).map(|seat| &seat.address).collect();
        let (mut best, mut problems) = (None::<Primary>, Vec::new());
        // Sentinels that hang must not hold up what goes well without them.
        let mut until = self.undoubted().then(|| begun + self.confirm);
        while best.is_none() || !missing.is_empty() {
            let answer = match until {
                None => answers.next().await,
                Some(until) => match select(answers.next(), self.clock.sleep_until(until)).await {
                    Either::Left((answer, _)) => answer,
                    Either::Right(_) => None,
                },
            };
            let Some((seat, answer)) = answer else { break };
            missing.retain(|address| **address != seat.address);
            seat.present.store(answer.is_ok(), Ordering::Relaxed);
            match answer {
                Ok(primary) => {
                    let grace = self.clock.now() + Self::GRACE;
                    until = Some(until.map_or(grace, |until| until.min(grace)));
                    best = best.filter(|best| best.epoch >= primary.epoch).or(Some(primary));
                }
                Err(problem) => problems.push(problem),
            }
        }
        for seat in self.seats.iter().filter(|seat| missing.contains(&&seat.address)) {
            seat.present.store(false, Ordering::Relaxed);
        }
        self.learn(begun, best, &problems)
    }

    fn undoubted(&self) -> bool {
        let known = self.known.lock();
        known.primary.is_some() && !known.doubted
    }

    fn learn(
        &self,
        begun: Instant,
        best: Option<Primary>,
        problems: &[CallError],
    ) -> Result<(Address, u64), CallError> {
        let mut known = self.known.lock();
        // Nobody said anything: there is no use in asking again at once.
        let confirmed = if best.is_some() { begun } else { self.clock.now() };
        match (best, &known.primary) {
            (Some(best), Some(before)) if best.epoch < before.epoch => {
                tracing::debug!(service = self.service, ?best, ?before, "a sentinel is behind");
            }
            (Some(best), before) => {
                let moved = before.as_ref().is_none_or(|before| before.address != best.address);
                if moved {
                    known.term += 1;
                    known.heard = None;
                    tracing::info!(service = self.service, primary = %best.address, epoch = best.epoch, "primary");
                }
                known.primary = Some(best);
            }
            // No sentinel runs, but nothing else is wrong: they must not be what everything depends on.
            (None, Some(_)) if !known.doubted => {}
            (None, _) => {
                let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let place = format!("service `{}`", self.service);
                return Err(CallError::new(Trouble::NoPrimary, place, said.join("; ")));
            }
        }
        known.doubted = false;
        known.confirmed = Some(confirmed);
        let primary = known.primary.as_ref().expect("all other cases have returned");
        Ok((primary.address.clone(), known.term))
    }

    async fn ask_one(&self, seat: &Seat) -> Result<Primary, CallError> {
        let mut kept = seat.connection.lock().await;
        // Taken out, so that a connection that fails, or whose answer nobody waits for, is not used again.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.endpoint.open(&seat.address).await?,
        };
        let mut pipeline = redis::pipe();
        pipeline.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        pipeline.cmd("SENTINEL").arg("MASTER").arg(&self.service);
        let answer: RedisResult<Said> = pipeline.query_async(&mut connection).await;
        let place = format!("sentinel {}", seat.address);
        let (primary, state) = match answer {
            Ok(answer) => answer,
            Err(error) if error.to_string().contains("No such master") => Default::default(),
            Err(error) => return Err(CallError::read(&error, place)),
        };
        *kept = Some(connection);
        let epoch = state.get("config-epoch").and_then(|epoch| epoch.parse().ok());
        if let (Some((host, port)), Some(epoch)) = (primary, epoch) {
            return Ok(Primary { address: Address { host, port }, epoch });
        }
        Err(CallError::new(Trouble::NoPrimary, place, format!("it does not watch `{}`", self.service)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RedisConfig;
    use reco_core::time::{ManualClock, Timestamp};

    fn sentinels(clock: &ManualClock) -> Sentinels {
        let endpoint = Endpoint::new(&RedisConfig::default()).unwrap();
        let clock = Arc::new(clock.clone());
        Sentinels::new(Vec::new(), "shop".into(), endpoint, clock, Duration::from_millis(250))
    }

    fn says(host: &str, epoch: u64) -> Primary {
        Primary { address: Address { host: host.into(), port: 1 }, epoch }
    }

    #[test]
    fn an_epoch_that_has_passed_is_not_believed() {
        let clock = ManualClock::starting_at(Timestamp::from_secs(0));
        let sentinels = sentinels(&clock);
        let host = |answer| sentinels.learn(clock.now(), Some(answer), &[]).unwrap().0.host;
        assert_eq!(host(says("old", 3)), "old");
        assert_eq!(host(says("new", 4)), "new");
        assert_eq!(host(says("old", 3)), "new");
        assert_eq!(sentinels.term(), 2);
        sentinels.disown(2);
        assert_eq!(sentinels.learn(clock.now(), Some(says("rebuilt", 0)), &[]).unwrap().0.host, "rebuilt");
    }

    #[test]
    fn what_is_known_lapses_and_can_be_doubted() {
        let clock = ManualClock::starting_at(Timestamp::from_secs(0));
        let sentinels = sentinels(&clock);
        sentinels.learn(clock.now(), Some(says("a", 1)), &[]).unwrap();
        assert!(sentinels.fresh().is_some());
        clock.advance(Duration::from_secs(1));
        assert!(sentinels.fresh().is_none(), "nobody has confirmed it for four intervals");
        assert!(sentinels.learn(clock.now(), None, &[]).is_ok(), "without sentinels nobody becomes primary");
        assert!(sentinels.fresh().is_some());
        sentinels.doubt(0);
        assert!(sentinels.fresh().is_some(), "an earlier primary's trouble says nothing");
        sentinels.doubt(1);
        assert!(sentinels.fresh().is_none());
        assert_eq!(sentinels.learn(clock.now(), None, &[]).unwrap_err().trouble, Trouble::NoPrimary);
    }

    #[tokio::test]
    async fn an_answer_after_a_silence_counts_if_the_sentinels_say_so() {
        let clock = ManualClock::starting_at(Timestamp::from_secs(0));
        let sentinels = sentinels(&clock);
        sentinels.learn(clock.now(), Some(says("a", 1)), &[]).unwrap();
        // Nobody is there to be asked, which is no objection.
        assert!(sentinels.heard(1).await);
        for _ in 0..10 {
            clock.advance(Duration::from_millis(250));
            assert!(sentinels.heard(1).await, "there was no silence");
        }
        sentinels.learn(clock.now(), Some(says("b", 2)), &[]).unwrap();
        assert!(!sentinels.heard(1).await, "another is primary");
        sentinels.doubt(2);
        assert!(!sentinels.heard(2).await, "it is doubted, never heard, and nobody confirms it");
    }
}
