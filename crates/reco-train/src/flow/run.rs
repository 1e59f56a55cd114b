//! A run and its finished steps.

use super::FlowError;
use crate::fnv::Fnv;
use crate::track::{
    FolderTracker, Metric, Outcome, RunId, RunRecord, RunStart, RunTracker, Status, TrackError,
};
use reco_core::file;
use reco_core::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// One run of a flow: its log, and what of it is done.
///
/// A finished step leaves `steps/NAME.json` with its result, whole or not at all. One process at a time is at a run; the
/// system lets go of its lock when the process ends, however it ends.
#[derive(Debug)]
pub struct Run<'a> {
    tracker: &'a FolderTracker,
    further: &'a Further<'a>,
    start: RunStart,
    folder: PathBuf,
    /// Where it stood, if it was begun before.
    before: Option<Status>,
    steps: Mutex<Vec<Step>>,
    remarks: Mutex<Vec<String>>,
    _lock: File,
}

/// Trackers that hear of a run, too.
type Further<'a> = [&'a dyn RunTracker];

/// A step that a process went through.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Whether it was done before, so that only its result was read.
    pub found: bool,
    /// Wall time that it took, then or now.
    pub seconds: f64,
}

/// What a finished step leaves. The sum is over its result as it was written.
#[derive(Serialize, Deserialize)]
struct Done<T> {
    seconds: f64,
    fingerprint: String,
    result: T,
}

impl<T: DeserializeOwned> Done<T> {
    /// From what stands in a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it: it was cut short, or somebody changed it.
    fn read(text: &[u8]) -> Result<Self, String> {
        let done: Done<Box<RawValue>> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if fingerprint(done.result.get().as_bytes()) != done.fingerprint {
            return Err("it was changed after it was written".to_owned());
        }
        let result = serde_json::from_str(done.result.get()).map_err(|error| error.to_string())?;
        Ok(Self { seconds: done.seconds, fingerprint: done.fingerprint, result })
    }
}

impl<'a> Run<'a> {
    /// The snapshot in a run's folder.
    pub const SNAPSHOT: &'static str = "model.reco";
    const LOCK: &'static str = ".lock";
    const STEPS: &'static str = "steps";

    /// Goes on with the latest run of this `key`, or begins one: `start` says what it is, its id aside, which is made
    /// of the moment and the key. `anew` begins another one in any case.
    ///
    /// `further` trackers hear of everything, too. What they say in error is a remark.
    ///
    /// # Errors
    ///
    /// [`FlowError::Busy`] while another process is at that run, [`FlowError::Track`] and [`FlowError::Io`] where the
    /// folder cannot be written.
    pub fn open(
        tracker: &'a FolderTracker,
        further: &'a Further<'a>,
        key: &str,
        anew: bool,
        now: Timestamp,
        start: impl FnOnce(RunId) -> RunStart,
    ) -> Result<Self, FlowError> {
        let root = tracker.root();
        fs::create_dir_all(root).map_err(FlowError::io(root))?;
        // Two processes that begin at once shall not both find nothing.
        let path = root.join(Self::LOCK);
        let _choosing = locked(&path, File::lock).map_err(FlowError::io(&path))?;
        let runs = tracker.runs()?;
        let known = runs.iter().rfind(|run| run.as_str().ends_with(&format!("-{key}"))).filter(|_| !anew);
        let known_before = known.map(|known| tracker.record(known)).transpose()?;
        let id = known.map_or_else(|| new_id(&runs, now, key), |known| Ok(known.clone()))?;
        let folder = tracker.folder(&id);
        let steps = folder.join(Self::STEPS);
        fs::create_dir_all(&steps).map_err(FlowError::io(&steps))?;
        let path = folder.join(Self::LOCK);
        let lock = File::create(&path).map_err(FlowError::io(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FlowError::Busy(id)),
            Err(TryLockError::Error(cause)) => return Err(FlowError::io(&path)(cause)),
        }
        let mut start = start(id);
        tracker.begin(&start)?;
        if let Some(known) = &known_before {
            start.began.clone_from(&known.start.began);
        }
        let run = Self {
            tracker,
            further,
            start,
            folder,
            before: known_before.map(|known| known.status),
            steps: Mutex::default(),
            remarks: Mutex::default(),
            _lock: lock,
        };
        run.tell(|tracker| tracker.begin(&run.start));
        Ok(run)
    }

    /// What the log says of a run; of one that was begun, not ended, and that no process is at any more, that it was
    /// interrupted.
    ///
    /// # Errors
    ///
    /// As [`FolderTracker::read`].
    pub fn standing(tracker: &FolderTracker, id: &RunId) -> Result<RunRecord, TrackError> {
        let mut record = tracker.read(id)?;
        if record.status == Status::Running && !is_under_way(tracker, id) {
            // It may have come to its end in between.
            record = tracker.read(id)?;
            if record.status == Status::Running {
                record.status = Status::Interrupted;
            }
        }
        Ok(record)
    }

    /// Its id.
    pub fn id(&self) -> &RunId {
        &self.start.id
    }

    /// What is known of it from the start.
    pub fn start(&self) -> &RunStart {
        &self.start
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it was begun before.
    pub fn resumed(&self) -> bool {
        self.before.is_some()
    }

    /// Whether it was finished before, too.
    pub fn was_finished(&self) -> bool {
        self.before == Some(Status::Finished)
    }

    /// What this process went through so far.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What further trackers said in error, and which results of steps were not to be trusted.
    pub fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The result of a step: what it left when it was done before, else what `make` makes now. A result that cannot
    /// be read, or that somebody changed, counts as not done, and a remark says so. Names may have folders, as
    /// `valid/base`.
    ///
    /// # Errors
    ///
    /// What `make` says, and [`FlowError::Io`] where the result cannot be kept.
    pub fn step<T, E>(&self, name: &str, make: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<FlowError>,
    {
        let path = self.step_file(name);
        let note = |found, seconds| {
            let step = Step { name: name.to_owned(), found, seconds };
            self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        };
        match fs::read(&path).ok().map(|text| Done::<T>::read(&text)) {
            Some(Ok(Done { seconds, result, .. })) => {
                note(true, seconds);
                return Ok(result);
            }
            Some(Err(why)) => self.remark(format!("{}: {why}; the step is done again", path.display())),
            None => {}
        }
        let begun = Instant::now();
        let result = make()?;
        let keep = || -> io::Result<Done<T>> {
            let result = RawValue::from_string(serde_json::to_string_pretty(&result)?)?;
            let fingerprint = fingerprint(result.get().as_bytes());
            let done = Done { seconds: begun.elapsed().as_secs_f64(), fingerprint, result };
            let text = serde_json::to_vec(&done)?;
            file::replace(&path, |file| file.write_all(&text))?;
            // To the last bit what a process would find that goes on from here.
            Done::read(&text).map_err(io::Error::other)
        };
        let Done { seconds, result, .. } = keep().map_err(FlowError::io(&path))?;
        note(false, seconds);
        Ok(result)
    }

    /// Lets a step be done again, whose outcome was lost.
    ///
    /// # Errors
    ///
    /// [`FlowError::Io`] where its result cannot be removed.
    pub fn forget(&self, step: &str) -> Result<(), FlowError> {
        removed(&self.step_file(step))
    }

    /// Logs measurements.
    ///
    /// # Errors
    ///
    /// [`FlowError::Track`] where the run's own log cannot be written.
    pub fn log(&self, metrics: &[Metric]) -> Result<(), FlowError> {
        self.tracker.log(self.id(), metrics)?;
        self.tell(|tracker| tracker.log(self.id(), metrics));
        Ok(())
    }

    /// Keeps a file with the run.
    ///
    /// # Errors
    ///
    /// As [`log`](Self::log).
    pub fn attach(&self, name: &str, bytes: &[u8]) -> Result<(), FlowError> {
        self.tracker.attach(self.id(), name, bytes)?;
        self.tell(|tracker| tracker.attach(self.id(), name, bytes));
        Ok(())
    }

    /// Notes how the run ended.
    ///
    /// # Errors
    ///
    /// As [`log`](Self::log).
    pub fn end(&self, outcome: &Outcome) -> Result<(), FlowError> {
        self.tracker.end(self.id(), outcome)?;
        self.tell(|tracker| tracker.end(self.id(), outcome));
        Ok(())
    }

    /// Lets the snapshot in the run's folder go, which is kept elsewhere by now.
    ///
    /// # Errors
    ///
    /// [`FlowError::Io`] where it cannot be removed.
    pub fn let_snapshot_go(&self) -> Result<(), FlowError> {
        removed(&self.folder.join(Self::SNAPSHOT))
    }

    fn step_file(&self, name: &str) -> PathBuf {
        self.folder.join(Self::STEPS).join(format!("{}.json", name.replace('/', "-")))
    }

    fn remark(&self, line: String) {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn tell(&self, what: impl Fn(&dyn RunTracker) -> Result<(), TrackError>) {
        for tracker in self.further {
            if let Err(error) = what(*tracker) {
                self.remark(format!("{} did not take note of run {}: {error}", tracker.name(), self.id()));
            }
        }
    }
}

/// The same for the same bytes: their 64-bit FNV-1a hash (Fowler, Noll, Vo) in hexadecimal.
pub fn fingerprint(bytes: &[u8]) -> String {
    let mut hash = Fnv::default();
    hash.bytes(bytes);
    format!("{:016x}", hash.0)
}

/// As `20260131T120000Z-00ff…`, a second later for every run that has the name already.
fn new_id(runs: &[RunId], now: Timestamp, key: &str) -> Result<RunId, TrackError> {
    let mut at = now;
    loop {
        let moment: String =
            crate::data::moments::written(Timestamp::from_secs(at.millis().div_euclid(1_000)))
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect();
        let id: RunId = format!("{moment}-{key}").parse()?;
        if !runs.contains(&id) {
            return Ok(id);
        }
        at = Timestamp::from_millis(at.millis() + 1_000);
    }
}

/// Removes a file that may not be there.
fn removed(path: &Path) -> Result<(), FlowError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(FlowError::io(path)(cause)),
        _ => Ok(()),
    }
}

/// Whether a process may hold the lock of a run: where that cannot be tried, one may. While it is tried, nobody begins
/// a run and takes this for another process.
fn is_under_way(tracker: &FolderTracker, id: &RunId) -> bool {
    let root = File::open(tracker.root().join(Run::LOCK));
    let _choosing = root.and_then(|root| root.lock().map(|()| root));
    match File::open(tracker.folder(id).join(Run::LOCK)) {
        Ok(lock) => lock.try_lock_shared().is_err(),
        Err(cause) => cause.kind() != io::ErrorKind::NotFound,
    }
}

fn locked(path: &Path, lock: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    let file = File::create(path)?;
    lock(&file)?;
    Ok(file)
}
