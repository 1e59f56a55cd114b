//! Another try for dead letters.

use super::{DeadLetters, NAME, Records, left, letters};
use crate::error::{BoxError, Fault, FaultKind};
use crate::event::Event;
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Letters that are tried at a time.
const PAGE: usize = 1_000;

/// What became of another try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Letters whose events count now, or counted before.
    pub settled: usize,
    /// Letters whose events still cannot be used.
    pub left: usize,
}

/// Why not all letters were tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// Somebody else in this process tries them just now; wait for that.
    #[error("rejected events are being tried again already; ask once that is over")]
    UnderWay,
    /// Letters cannot be read, or events not be kept. What was kept before is settled.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Some letters that were looked at.
#[derive(Debug, Default)]
struct Page {
    /// Of the letters whose events are usable.
    numbers: Vec<u64>,
    events: Vec<Event>,
    n_unusable: usize,
}

impl DeadLetters {
    /// Tries all letters again that are not settled, judged by `now`. `keep` makes events count, a page of them at a time,
    /// and returns the indices of those that were refused; the letters of the others are settled. Letters are
    /// read on a thread where that holds nobody up.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] when it is under way already, or does not get to the end; try again later.
    pub async fn replay<K, F>(self: &Arc<Self>, now: Timestamp, mut keep: K) -> Result<Replayed, ReplayError>
    where
        K: FnMut(Vec<Event>) -> F,
        F: Future<Output = Result<BTreeSet<usize>, Fault>>,
    {
        let _alone = self.replaying.try_lock().map_err(|_| ReplayError::UnderWay)?;
        let (sender, mut pages) = mpsc::channel(1);
        let this = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let records = || Ok(Records::new(this.journal.cursor(0)));
            revived(records, now, |page| sender.blocking_send(page).is_ok())
        });
        let mut replayed = Replayed::default();
        while let Some(page) = pages.recv().await {
            replayed.left += page.n_unusable;
            if page.events.is_empty() {
                continue;
            }
            let refused = keep(page.events).await?;
            let numbered = page.numbers.into_iter().enumerate();
            let (left, settled): (Vec<_>, Vec<_>) = numbered.partition(|(index, _)| refused.contains(index));
            replayed.left += left.len();
            if !settled.is_empty() {
                let numbers: Vec<u64> = settled.into_iter().map(|(_, number)| number).collect();
                self.settle(&numbers).await?;
                replayed.settled += numbers.len();
            }
        }
        let fault = |cause: BoxError| Fault::new(NAME, FaultKind::Unavailable).because(cause);
        let read: io::Result<()> = reading.await.map_err(|cause| fault(cause.into()))?;
        read.map_err(|cause| fault(cause.into()))?;
        Ok(replayed)
    }
}

/// Reads everything twice, however much it is: which letters are left, and then those, page by page. `next` says whether
/// there is anybody to take more.
fn revived<E>(
    records: impl Fn() -> Result<Records, E>,
    now: Timestamp,
    mut next: impl FnMut(Page) -> bool,
) -> Result<(), E> {
    let (left, _) = left(records()?);
    let mut letters = letters(records()?, &left);
    loop {
        let mut page = Page::default();
        for (number, letter) in letters.by_ref().take(PAGE) {
            match letter.revive(number, now) {
                Ok(event) => {
                    page.numbers.push(number);
                    page.events.push(event);
                }
                Err(_) => page.n_unusable += 1,
            }
        }
        if page.numbers.len() + page.n_unusable == 0 || !next(page) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DeadLetter, LogConfig};
    use crate::time::SystemClock;
    use serde_json::{Value, json};
    use std::cell::Cell;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: i64 = 3_600_000;

    fn after(hours: i64) -> Timestamp {
        Timestamp::from_millis(NOW.millis() + hours * HOUR)
    }

    fn letter(event: Value) -> DeadLetter {
        DeadLetter { at: NOW, sent_at: None, event, problems: vec![] }
    }

    fn click(at: Option<Timestamp>) -> Value {
        json!({"user_id": "ann", "item_id": "tea", "action": "click", "timestamp": at})
    }

    fn opened() -> (tempfile::TempDir, Arc<DeadLetters>) {
        let folder = tempfile::tempdir().unwrap();
        let opened = DeadLetters::open(folder.path(), &LogConfig::default(), Arc::new(SystemClock));
        (folder, Arc::new(opened.unwrap().0))
    }

    async fn kept(_: Vec<Event>) -> Result<BTreeSet<usize>, Fault> {
        Ok(BTreeSet::new())
    }

    #[tokio::test]
    async fn letters_are_read_twice_however_many_there_are() {
        let (_folder, dead) = opened();
        let letters: Vec<DeadLetter> = (0..=2 * PAGE).map(|_| letter(click(None))).collect();
        dead.put(&letters).await.unwrap();
        let (n_reads, mut pages) = (Cell::new(0), Vec::new());
        let records = || {
            n_reads.set(n_reads.get() + 1);
            Ok::<_, io::Error>(Records::new(dead.journal.cursor(0)))
        };
        revived(records, NOW, |page| {
            pages.push(page.events.len());
            true
        })
        .unwrap();
        assert_eq!((n_reads.get(), pages), (2, vec![PAGE, PAGE, 1]));
    }

    #[tokio::test]
    async fn what_counts_now_is_settled_and_nothing_is_written_for_the_rest() {
        let (_folder, dead) = opened();
        dead.put(&[letter(json!(7)), letter(click(None)), letter(click(None))]).await.unwrap();
        let refuse_first = async |events: Vec<Event>| {
            assert_eq!(events.len(), 2);
            Ok([0].into())
        };
        assert_eq!(dead.replay(NOW, refuse_first).await.unwrap(), Replayed { settled: 1, left: 2 });
        assert_eq!(dead.replay(NOW, kept).await.unwrap(), Replayed { settled: 1, left: 1 });
        let end = dead.journal.range().end;
        assert_eq!(dead.replay(NOW, kept).await.unwrap(), Replayed { settled: 0, left: 1 });
        assert_eq!(dead.journal.range().end, end);
    }

    #[tokio::test]
    async fn there_is_one_replay_at_a_time() {
        let (_folder, dead) = opened();
        dead.put(&[letter(click(None))]).await.unwrap();
        let during = async |_| {
            let second = dead.replay(NOW, kept).await;
            assert!(matches!(second, Err(ReplayError::UnderWay)), "{second:?}");
            Ok(BTreeSet::new())
        };
        assert_eq!(dead.replay(NOW, during).await.unwrap().settled, 1);
        let broken = async |_| Err(Fault::new("log", FaultKind::Unavailable));
        dead.put(&[letter(click(None))]).await.unwrap();
        assert!(matches!(dead.replay(NOW, broken).await, Err(ReplayError::Fault(_))));
        assert_eq!(dead.replay(NOW, kept).await.unwrap().settled, 1, "after a fault it is free again");
    }

    #[test]
    fn the_clock_of_the_replay_judges() {
        // The server's clock was an hour or a year behind, or ahead.
        let year = 365 * 24;
        for (said, now, at) in [
            (None, after(year), Some(NOW)),
            (Some(after(year)), NOW, None),
            (Some(after(year)), after(year - 1), Some(after(year - 1))),
            (Some(after(year)), after(year + 1), Some(after(year))),
            (Some(after(-1)), after(1), Some(after(-1))),
            (None, after(-year), Some(after(-year))),
        ] {
            let revived = letter(click(said)).revive(0, now);
            assert_eq!(revived.as_ref().ok().map(|event| event.at), at, "{said:?} {now:?}: {revived:?}");
        }
    }

    #[test]
    fn a_clients_clock_stays_corrected() {
        let sent_at = Some(after(72));
        let letter = DeadLetter { sent_at, ..letter(click(Some(after(71)))) };
        let again: DeadLetter = serde_json::from_str(&serde_json::to_string(&letter).unwrap()).unwrap();
        assert_eq!(again, letter);
        for now in [NOW, after(1), after(1_000)] {
            assert_eq!(again.revive(0, now).unwrap().at, after(-1));
        }
        let older = r#"{"at": 1700000000000, "event": 7, "problems": []}"#;
        assert_eq!(serde_json::from_str::<DeadLetter>(older).unwrap().sent_at, None);
    }
}
