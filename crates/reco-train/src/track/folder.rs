//! Runs as folders of JSON that any tool reads.

use super::record::plain;
use super::{Metric, Outcome, RunId, RunRecord, RunStart, RunTracker, Status, TrackError};
use reco_core::file;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A folder with a folder per run: `run.json` says what it is and how it ended, `metrics.jsonl` has a line per
/// measurement, attachments lie beside them.
///
/// `run.json` and attachments are replaced whole; measurements are appended by one write. A line that a killed process
/// left unfinished is cut off when the run goes on, and skipped by [`read`](Self::read) until then. A run has one
/// writer at a time.
///
/// ```
/// use reco_train::track::{FolderTracker, Metric, Outcome, RunId, RunStart, RunTracker};
///
/// let folder = tempfile::tempdir()?;
/// let (runs, monday) = (FolderTracker::new(folder.path()), "monday".parse::<RunId>()?);
/// runs.begin(&RunStart::new(monday.clone(), "shop"))?;
/// runs.log(&monday, &[Metric::new("test", "pipeline", "ndcg@10", 0.25)])?;
/// runs.end(&monday, &Outcome::Finished)?;
/// assert_eq!(runs.read(&monday)?.metrics[0].value, 0.25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FolderTracker {
    root: PathBuf,
}

impl FolderTracker {
    /// What a run is.
    pub const RUN: &'static str = "run.json";
    /// What it measured.
    pub const METRICS: &'static str = "metrics.jsonl";

    /// A folder, which is made with the first run.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of all runs.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one run, begun or not.
    pub fn folder(&self, run: &RunId) -> PathBuf {
        self.root.join(run.as_str())
    }

    /// The runs there are, ascending.
    ///
    /// # Errors
    ///
    /// [`TrackError::Store`] when the folder cannot be read.
    pub fn runs(&self) -> Result<Vec<RunId>, TrackError> {
        let entries = match fs::read_dir(&self.root) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|cause| store(&self.root, cause))?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|cause| store(&self.root, cause))?;
            let id = entry.file_name().to_str().and_then(|name| name.parse::<RunId>().ok());
            runs.extend(id.filter(|_| entry.path().join(Self::RUN).is_file()));
        }
        runs.sort_unstable();
        Ok(runs)
    }

    /// Everything that is known about a run.
    ///
    /// # Errors
    ///
    /// [`TrackError::Unknown`] for a run that was never begun, [`TrackError::Store`] for damaged files.
    pub fn read(&self, run: &RunId) -> Result<RunRecord, TrackError> {
        let mut record = self.record(run)?;
        let folder = self.folder(run);
        let path = folder.join(Self::METRICS);
        let text = match fs::read(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text.map_err(|cause| store(&path, cause))?,
        };
        let whole = &text[..text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1)];
        let lines = whole.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let metrics: Result<Vec<Metric>, _> = lines.map(serde_json::from_slice).collect();
        record.metrics = metrics.map_err(|cause| store(&path, cause))?;
        for entry in fs::read_dir(&folder).map_err(|cause| store(&folder, cause))? {
            let entry = entry.map_err(|cause| store(&folder, cause))?;
            let name = entry.file_name().to_str().unwrap_or_default().to_owned();
            let is_own = [Self::RUN, Self::METRICS].contains(&&*name);
            if entry.path().is_file() && !is_own && plain(&name).is_ok() {
                record.attachments.push(name);
            }
        }
        record.attachments.sort_unstable();
        Ok(record)
    }

    /// As [`read`](Self::read), without measurements and attachments.
    pub(crate) fn record(&self, run: &RunId) -> Result<RunRecord, TrackError> {
        let path = self.folder(run).join(Self::RUN);
        match fs::read(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(TrackError::Unknown(run.clone())),
            Err(cause) => Err(store(&path, cause)),
            Ok(text) => serde_json::from_slice(&text).map_err(|cause| store(&path, cause)),
        }
    }

    fn write(&self, record: &RunRecord) -> Result<(), TrackError> {
        let path = self.folder(&record.start.id).join(Self::RUN);
        let text = serde_json::to_vec_pretty(record).map_err(|cause| store(&path, cause))?;
        file::replace(&path, |file| file.write_all(&text)).map_err(|cause| store(&path, cause))
    }
}

impl RunTracker for FolderTracker {
    fn name(&self) -> &'static str {
        "folder"
    }

    fn begin(&self, run: &RunStart) -> Result<(), TrackError> {
        let folder = self.folder(&run.id);
        fs::create_dir_all(&folder).map_err(|cause| store(&folder, cause))?;
        let metrics = folder.join(Self::METRICS);
        cut_unfinished(&metrics).map_err(|cause| store(&metrics, cause))?;
        // When it first began stays true of a run that goes on.
        let began = match self.record(&run.id) {
            Ok(record) => record.start.began,
            Err(TrackError::Unknown(_)) => run.began.clone(),
            Err(error) => return Err(error),
        };
        self.write(&RunRecord {
            start: RunStart { began, ..run.clone() },
            status: Status::Running,
            problem: None,
            metrics: Vec::new(),
            attachments: Vec::new(),
        })
    }

    fn log(&self, run: &RunId, metrics: &[Metric]) -> Result<(), TrackError> {
        self.record(run)?;
        let path = self.folder(run).join(Self::METRICS);
        let mut lines = Vec::new();
        for metric in metrics {
            serde_json::to_writer(&mut lines, metric).map_err(|cause| store(&path, cause))?;
            lines.push(b'\n');
        }
        let append = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all(&lines)?;
            file.sync_data()
        };
        append().map_err(|cause| store(&path, cause))
    }

    fn attach(&self, run: &RunId, name: &str, bytes: &[u8]) -> Result<(), TrackError> {
        let name = plain(name)?;
        if [Self::RUN, Self::METRICS].contains(&name) {
            return Err(TrackError::Name(name.to_owned()));
        }
        self.record(run)?;
        let path = self.folder(run).join(name);
        file::replace(&path, |file| file.write_all(bytes)).map_err(|cause| store(&path, cause))
    }

    fn end(&self, run: &RunId, outcome: &Outcome) -> Result<(), TrackError> {
        let problem = match outcome {
            Outcome::Finished => None,
            Outcome::Failed(why) => Some(why.clone()),
        };
        self.write(&RunRecord { status: outcome.status(), problem, ..self.record(run)? })
    }
}

fn store(place: &Path, cause: impl Into<reco_core::error::BoxError>) -> TrackError {
    TrackError::Store { place: place.display().to_string(), cause: cause.into() }
}

/// Cuts off a last line without an end, which a process that was killed may leave.
fn cut_unfinished(path: &Path) -> io::Result<()> {
    let mut file = match File::options().read(true).write(true).open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut text)?;
    let end = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    if end < text.len() {
        file.set_len(end as u64)?;
        file.sync_all()?;
    }
    Ok(())
}
