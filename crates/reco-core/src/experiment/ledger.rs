//! Who was served by which variant so far: a consumer of exposures, and the memory of assignments.

use super::{Exposure, Memory};
use crate::consume::{Consumer, write_aside};
use crate::error::Fault;
use crate::file;
use crate::id::UserKey;
use crate::live::Places;
use crate::store::Delivery;
use crate::time::Timestamp;
use async_trait::async_trait;
use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};
use serde::{Deserialize, Serialize};
use std::hash::BuildHasher;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Remembers the variants that users were served by, of all experiments. Cheap to clone: a clone knows what the one that is
/// fed knows.
///
/// All of it is in one file together with the places of the log that it is of. Bounded: of more than
/// [`MOST_UNITS`](Self::MOST_UNITS) users and sessions those exposed least lately are forgotten, and assigned by their hash
/// again.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Locked while exposures are taken in.
    applied: Mutex<Places>,
    shards: Vec<Mutex<Shard>>,
    /// Nothing, if it is gone with the process.
    path: Option<PathBuf>,
}

type Shard = FxHashMap<UserKey, Vec<Had>>;

/// The variant of an experiment that somebody was served by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Had {
    experiment: Arc<str>,
    /// The first one.
    variant: Arc<str>,
    first: Timestamp,
    latest: Timestamp,
}

impl Had {
    fn of(exposure: &Exposure) -> Self {
        Self {
            experiment: Arc::clone(&exposure.experiment),
            variant: Arc::clone(&exposure.variant),
            first: exposure.at,
            latest: exposure.at,
        }
    }

    /// What was first decides, whatever comes first; of one moment, the name.
    fn join(&mut self, other: &Self) {
        if (other.first, &other.variant) < (self.first, &self.variant) {
            self.variant = Arc::clone(&other.variant);
            self.first = other.first;
        }
        self.latest = self.latest.max(other.latest);
    }
}

/// What is written.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    applied: Places,
    units: Vec<(UserKey, Vec<Had>)>,
}

impl Ledger {
    /// The name of its group in the log.
    pub const NAME: &str = "exposures";
    /// Users and sessions that are remembered.
    pub const MOST_UNITS: usize = 2_000_000;

    const SHARDS: usize = 64;

    /// Goes on with what is in a file, where there is one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is none of these: remove it to read the log from its beginning.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let remedy = "remove it to read the log from its beginning";
        let Kept { applied, units } = file::kept(&path, remedy)?.unwrap_or_default();
        let ledger = Self::with(applied, Some(path));
        for (unit, had) in units {
            ledger.shard(&unit).lock().insert(unit, had);
        }
        Ok(ledger)
    }

    /// One that is gone with the process.
    pub fn in_memory() -> Self {
        Self::with(Places::default(), None)
    }

    fn with(applied: Places, path: Option<PathBuf>) -> Self {
        let shards = (0..Self::SHARDS).map(|_| Mutex::default()).collect();
        Self(Arc::new(Inner { applied: Mutex::new(applied), shards, path }))
    }

    /// The places of the log that are in it.
    pub fn applied(&self) -> Places {
        self.0.applied.lock().clone()
    }

    /// When somebody was last exposed to an experiment.
    pub fn latest(&self, experiment: &str, unit: &UserKey) -> Option<Timestamp> {
        self.had(experiment, unit, |had| had.latest)
    }

    /// Takes events in that are not in it, in the order of their log.
    pub fn count(&self, deliveries: &[Delivery]) {
        let mut applied = self.0.applied.lock();
        for Delivery { place, event } in deliveries {
            if applied.insert(*place)
                && let Some(exposure) = Exposure::read(event)
            {
                self.note(&exposure);
            }
        }
    }

    /// Takes an exposure in that may not be in the log yet: when it comes from there, it changes nothing.
    pub fn note(&self, exposure: &Exposure) {
        let mut shard = self.shard(&exposure.unit).lock();
        if shard.len() >= Self::MOST_UNITS / Self::SHARDS && !shard.contains_key(&exposure.unit) {
            forget_some(&mut shard);
        }
        let units = shard.entry(exposure.unit.clone()).or_default();
        let new = Had::of(exposure);
        match units.iter_mut().find(|had| had.experiment == new.experiment) {
            Some(had) => had.join(&new),
            None => units.push(new),
        }
    }

    fn had<T>(&self, experiment: &str, unit: &UserKey, read: impl FnOnce(&Had) -> T) -> Option<T> {
        let shard = self.shard(unit).lock();
        shard.get(unit)?.iter().find(|had| &*had.experiment == experiment).map(read)
    }

    fn shard(&self, unit: &UserKey) -> &Mutex<Shard> {
        // The high bits of this hash are the well mixed ones.
        &self.0.shards[(FxBuildHasher.hash_one(unit) >> 32) as usize % Self::SHARDS]
    }

    fn write(&self) -> io::Result<()> {
        let Some(path) = &self.0.path else { return Ok(()) };
        // Held until all is read, so that the file holds what it says it does.
        let applied = self.0.applied.lock();
        let mut units = Vec::new();
        for shard in &self.0.shards {
            units.extend(shard.lock().iter().map(|(unit, had)| (unit.clone(), had.clone())));
        }
        let kept = Kept { applied: applied.clone(), units };
        drop(applied);
        file::keep(path, &kept)
    }
}

/// Drops the tenth of a shard that was exposed least lately, so that the search for them is paid rarely.
fn forget_some(shard: &mut Shard) {
    let latest = |had: &Vec<Had>| had.iter().map(|had| had.latest).max();
    let mut by_age: Vec<_> = shard.iter().map(|(unit, had)| (latest(had), unit.clone())).collect();
    let n_leaving = by_age.len().div_ceil(10);
    by_age.sort_unstable();
    for (_, unit) in by_age.into_iter().take(n_leaving) {
        shard.remove(&unit);
    }
}

impl Memory for Ledger {
    fn variant(&self, experiment: &str, unit: &UserKey) -> Option<Arc<str>> {
        self.had(experiment, unit, |had| Arc::clone(&had.variant))
    }
}

#[async_trait]
impl Consumer for Ledger {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        self.count(deliveries);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let this = self.clone();
        write_aside(Self::NAME, move || this.write()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Asked, Experiments, Exposures, NoMemory, Served, Subject};
    use crate::request::Surface;
    use crate::store::{EventSource, MemoryLog, Place};
    use crate::time::SystemClock;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    fn exposure(unit: u8, variant: u8, secs: i64) -> Exposure {
        Exposure {
            experiment: "a".into(),
            variant: variant.to_string().into(),
            unit: format!("user{unit}").into(),
            at: Timestamp::from_secs(secs),
            request: None,
            session: None,
            segments: std::collections::BTreeMap::new(),
            served: Served::default(),
        }
    }

    fn empty(folder: &tempfile::TempDir) -> Ledger {
        Ledger::open(folder.path().join("ledger")).unwrap()
    }

    fn all(ledger: &Ledger) -> Vec<(UserKey, Vec<Had>)> {
        let shards = ledger.0.shards.iter().flat_map(|shard| shard.lock().clone());
        let mut units: Vec<_> = shards.collect();
        units.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        units
    }

    proptest! {
        #[test]
        fn what_is_remembered_follows_from_which_exposures_there_were(
            (exposures, order) in prop::collection::vec((0..4u8, 0..3u8, 0..50i64), 0..30)
                .prop_flat_map(|rows| (Just(rows.clone()), Just((0..rows.len()).collect::<Vec<_>>()).prop_shuffle())),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (one, other) = (empty(&folder), empty(&folder));
            for &(unit, variant, secs) in &exposures {
                one.note(&exposure(unit, variant, secs));
            }
            for &row in order.iter().chain(&order) {
                let (unit, variant, secs) = exposures[row];
                other.note(&exposure(unit, variant, secs));
            }
            prop_assert_eq!(all(&one), all(&other));
        }
    }

    #[tokio::test]
    async fn a_restart_remembers_and_counts_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = empty(&folder);
        let delivery = |offset, exposure: Exposure| Delivery {
            place: Place { partition: 0, offset },
            event: exposure.event(offset as i64),
        };
        let deliveries = [delivery(0, exposure(1, 1, 10)), delivery(1, exposure(2, 0, 11))];
        ledger.take(&deliveries).await.unwrap();
        ledger.flush().await.unwrap();
        let mut again = empty(&folder);
        assert_eq!((all(&again), again.applied()), (all(&ledger), ledger.applied()));
        again.take(&deliveries).await.unwrap();
        assert_eq!(all(&again), all(&ledger));
        std::fs::write(folder.path().join("ledger"), b"nonsense").unwrap();
        let told = Ledger::open(folder.path().join("ledger")).unwrap_err().to_string();
        assert!(told.contains("remove it to read the log from its beginning"), "{told}");
    }

    #[tokio::test]
    async fn a_user_is_exposed_once_in_a_window_and_keeps_the_variant_when_weights_change() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = empty(&folder);
        let of = |weight: f64| {
            let config = json!({"a": {"exposure_hours": 24, "variants": [
                {"name": "x", "weight": weight}, {"name": "y", "weight": 1.0 - weight}]}});
            let config = serde_json::from_value(config).unwrap();
            Experiments::new(config, std::collections::BTreeMap::new()).unwrap()
        };
        let (user, attributes) = ("ann".into(), Map::new());
        let subject = Subject { user: &user, session: None, attributes: &attributes };
        let log = Arc::new(MemoryLog::default());
        let (exposures, work) = Exposures::new(Arc::clone(&log) as _, Arc::new(SystemClock));
        for (weight, hour) in [(1.0, 1), (1.0, 2), (0.0, 3), (0.0, 25)] {
            let experiments = of(weight);
            let assigned = experiments.assign(subject, &Surface::Home, &ledger);
            assert_eq!(&*assigned[0].variant, "x", "at hour {hour}");
            let at = Timestamp::from_secs(hour * 3_600);
            let asked = Asked { at, ..Asked::default() };
            exposures.expose(&experiments, &ledger, &assigned, &asked, Served::default);
        }
        assert_eq!(&*of(0.0).assign(subject, &Surface::Home, &NoMemory)[0].variant, "y");
        drop(exposures);
        work.await;
        let mut reader = log.reader("test");
        assert_eq!(reader.poll(10).await.unwrap().len(), 2, "one on each day");
    }
}
