//! Keeps events durably, in reco's log and in embedded stores, and reads them back: `reco-log-bench FOLDER`.
//!
//! Everyone does the same: a batch is refused what it has twice by its id, gets the next positions, and is on the disk
//! when the call returns. One JSON object per line: store, writers, events per batch, events a second, milliseconds.

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use reco_core::event::Event;
use reco_core::store::{DurableLog, EventSink, LogConfig};
use reco_core::time::SystemClock;
use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Something that keeps events.
trait Store: Sync {
    fn append(&self, events: &[Event]) -> Outcome<()>;
    /// Reads everything and returns how many there are.
    fn read(&self) -> Outcome<u64>;
}

struct Reco {
    log: DurableLog,
    runtime: tokio::runtime::Handle,
}

impl Store for Reco {
    fn append(&self, events: &[Event]) -> Outcome<()> {
        self.runtime.block_on(self.log.append(events)).map(|_| ()).map_err(|fault| fault.message().into())
    }

    fn read(&self) -> Outcome<u64> {
        self.log.scan(0).try_fold(0, |sum, event| event.map(|_| sum + 1)).map_err(Into::into)
    }
}

struct Redb {
    database: redb::Database,
}

const EVENTS: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("events");
const IDS: TableDefinition<'static, u128, u64> = TableDefinition::new("ids");

impl Store for Redb {
    fn append(&self, events: &[Event]) -> Outcome<()> {
        let transaction = self.database.begin_write()?;
        {
            let (mut kept, mut ids) = (transaction.open_table(EVENTS)?, transaction.open_table(IDS)?);
            let mut next = kept.last()?.map_or(0, |(position, _)| position.value() + 1);
            for event in events {
                if ids.get(event.id.0)?.is_none() {
                    kept.insert(next, &serde_json::to_vec(event)?[..])?;
                    ids.insert(event.id.0, next)?;
                    next += 1;
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&self) -> Outcome<u64> {
        let transaction = self.database.begin_read()?;
        let kept = transaction.open_table(EVENTS)?;
        let mut n_events = 0;
        for entry in kept.iter()? {
            serde_json::from_slice::<Event>(entry?.1.value())?;
            n_events += 1;
        }
        Ok(n_events)
    }
}

struct Fjall {
    database: Database,
    events: Keyspace,
    ids: Keyspace,
    /// The next position; held while a batch is checked and written.
    next: Mutex<u64>,
}

impl Store for Fjall {
    fn append(&self, events: &[Event]) -> Outcome<()> {
        let mut next = self.next.lock().map_err(|_| "a writer panicked")?;
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for event in events {
            let id = event.id.0.to_be_bytes();
            if !self.ids.contains_key(id)? {
                batch.insert(&self.events, next.to_be_bytes(), serde_json::to_vec(event)?);
                batch.insert(&self.ids, id, next.to_be_bytes());
                *next += 1;
            }
        }
        Ok(batch.commit()?)
    }

    fn read(&self) -> Outcome<u64> {
        let mut n_events = 0;
        for entry in self.events.iter() {
            serde_json::from_slice::<Event>(&entry.value()?)?;
            n_events += 1;
        }
        Ok(n_events)
    }
}

fn event(number: u64) -> Outcome<Event> {
    let json = format!(
        r#"{{"id":"{number:032x}","user_id":"user{}","item_id":"item{}","action":"click","timestamp":1700000000000,"position":3}}"#,
        number % 10_007,
        number % 997
    );
    Ok(serde_json::from_str(&json)?)
}

const SECONDS: u64 = 3;

/// How fast `writers` append batches at the same time, and how fast everything is read.
fn measured(name: &str, store: &dyn Store, writers: usize, batch: u64) -> Outcome<()> {
    let next = AtomicU64::new(0);
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let write = || -> Outcome<Vec<Duration>> {
        let mut took = Vec::new();
        while Instant::now() < until {
            let first = next.fetch_add(batch, Ordering::Relaxed);
            let events = (first..first + batch).map(event).collect::<Outcome<Vec<Event>>>()?;
            let begun = Instant::now();
            store.append(&events)?;
            took.push(begun.elapsed());
        }
        Ok(took)
    };
    let mut took = std::thread::scope(|scope| -> Outcome<Vec<Duration>> {
        let handles: Vec<_> = (0..writers).map(|_| scope.spawn(write)).collect();
        let mut all = Vec::new();
        for handle in handles {
            all.extend(handle.join().map_err(|_| "a writer panicked")??);
        }
        Ok(all)
    })?;
    took.sort_unstable();
    let millis = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let written = took.len() as u64 * batch;
    let begun = Instant::now();
    let read = store.read()?;
    if read != written {
        return Err(format!("{name} was given {written} events and has {read}").into());
    }
    let line = serde_json::json!({
        "store": name,
        "writers": writers,
        "batch": batch,
        "events_per_second": written as f64 / SECONDS as f64,
        "p50_ms": millis(0.5),
        "p99_ms": millis(0.99),
        "read_per_second": read as f64 / begun.elapsed().as_secs_f64(),
    });
    println!("{line}");
    Ok(())
}

fn open(name: &str, folder: &Path, runtime: &tokio::runtime::Handle) -> Outcome<Box<dyn Store>> {
    Ok(match name {
        "reco" => {
            let (log, _) = DurableLog::open(folder, &LogConfig::default(), Arc::new(SystemClock))?;
            Box::new(Reco { log, runtime: runtime.clone() })
        }
        "redb" => {
            std::fs::create_dir_all(folder)?;
            let database = redb::Database::create(folder.join("events.redb"))?;
            let transaction = database.begin_write()?;
            transaction.open_table(EVENTS)?;
            transaction.open_table(IDS)?;
            transaction.commit()?;
            Box::new(Redb { database })
        }
        _ => {
            let database = Database::builder(folder).open()?;
            let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
            let ids = database.keyspace("ids", KeyspaceCreateOptions::default)?;
            Box::new(Fjall { database, events, ids, next: Mutex::new(0) })
        }
    })
}

fn main() -> Outcome<()> {
    let folder = std::env::args_os().nth(1).ok_or("give a folder on the disk to measure")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    for (writers, batch) in [(1, 1), (1, 100), (1, 1_000), (8, 1), (8, 100)] {
        for name in ["reco", "redb", "fjall"] {
            let place = Path::new(&folder).join(format!("{name}-{writers}-{batch}"));
            let store = open(name, &place, runtime.handle())?;
            measured(name, &*store, writers, batch)?;
            drop(store);
            std::fs::remove_dir_all(&place)?;
        }
    }
    Ok(())
}
