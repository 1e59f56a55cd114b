//! A run and its finished steps.

use super::FlowError;
use crate::fnv::Fnv;
use crate::track::{FolderTracker, Metric, Outcome, RunId, RunStart, RunTracker, TrackError};
use reco_core::file;
use reco_core::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
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
    resumed: bool,
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

/// What a finished step leaves.
#[derive(Serialize, Deserialize)]
struct Done<T> {
    seconds: f64,
    result: T,
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
        let resumed = known.is_some();
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
        let start = start(id);
        tracker.begin(&start)?;
        let run = Self {
            tracker,
            further,
            start,
            folder,
            resumed,
            steps: Mutex::default(),
            remarks: Mutex::default(),
            _lock: lock,
        };
        run.tell(|tracker| tracker.begin(&run.start));
        Ok(run)
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
        self.resumed
    }

    /// What this process went through so far.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What further trackers said in error.
    pub fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The result of a step: what it left when it was done before, else what `make` makes now. A result that cannot
    /// be read counts as not done. Names may have folders, as `valid/base`.
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
        let known = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Done<T>>(&text).ok());
        if let Some(Done { seconds, result }) = known {
            note(true, seconds);
            return Ok(result);
        }
        let begun = Instant::now();
        let result = make()?;
        let done = Done { seconds: begun.elapsed().as_secs_f64(), result };
        let keep = || -> io::Result<Done<T>> {
            let text = serde_json::to_vec_pretty(&done)?;
            file::replace(&path, |file| file.write_all(&text))?;
            // To the last bit what a process would find that goes on from here.
            Ok(serde_json::from_slice(&text)?)
        };
        let Done { seconds, result } = keep().map_err(FlowError::io(&path))?;
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

    fn tell(&self, what: impl Fn(&dyn RunTracker) -> Result<(), TrackError>) {
        for tracker in self.further {
            if let Err(error) = what(*tracker) {
                let remark = format!("{} did not take note of run {}: {error}", tracker.name(), self.id());
                self.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(remark);
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

fn locked(path: &Path, lock: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    let file = File::create(path)?;
    lock(&file)?;
    Ok(file)
}
