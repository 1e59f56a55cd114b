//! Pages as they were served, in a folder: to make them again, and to say what another policy would have shown.

use super::{AskedPage, PageRecord, PipelineConfig, Recommender, Settings};
use crate::experiment::{Assignment, HashVersion};
use crate::file;
use crate::live::Places;
use crate::page::Page;
use crate::request::Request;
use crate::store::{JournalError, LogConfig, OutboxCounts, Pace, RecordLog, Recovery, ScanError, look};
use crate::time::Clock;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Which pages are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoggedPages {
    /// None.
    None,
    /// Those on which chance filled places, for without their propensities nothing can be learned from them.
    #[default]
    Explored,
    /// All.
    All,
}

/// Writes pages down while nobody waits: about a kilobyte each. Cheap to clone.
///
/// ```
/// use reco_core::pipeline::{LoggedPages, PageLog, PipelineConfig};
/// use reco_core::request::Request;
/// use reco_core::snapshot::Snapshot;
/// use reco_core::store::LogConfig;
/// use reco_core::time::SystemClock;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let recommender = PipelineConfig::default().builder(Snapshot::default())?.build()?;
/// let config = LogConfig::default();
/// let (log, _, work) = PageLog::open(folder.path(), LoggedPages::All, 1.0, &config, Arc::new(SystemClock))?;
/// tokio::spawn(work);
///
/// let request = Request::for_user("ann");
/// let watched = log.watch(&recommender, "request-1");
/// let page = recommender.recommend(request.clone()).await?;
/// if let Some(watched) = watched {
///     watched.note(&request, &page, &[]);
/// }
/// log.flush().await;
/// let records: Vec<_> = PageLog::look(folder.path())?.collect::<Result<_, _>>()?;
/// assert_eq!(records[0].digest, page.digest());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PageLog {
    records: RecordLog<PageRecord>,
    folder: Arc<Path>,
    which: LoggedPages,
    share: f64,
    /// Fingerprints of settings that are in the folder.
    settings: Arc<Mutex<BTreeSet<Arc<str>>>>,
}

/// What was known before a page was made.
#[derive(Debug)]
#[must_use]
pub struct Watched<'a> {
    log: &'a PageLog,
    recommender: &'a Recommender,
    id: &'a str,
    events: Places,
    n_items: usize,
}

impl PageLog {
    /// Pages that may wait for the disk: some ten megabytes.
    const PACE: Pace = Pace { room: 8_192, batch: 512, linger: Duration::from_millis(200) };

    /// Opens the log in a folder, which is made where it is missing, for `which` pages, or a `share` of them from 0 to 1. The work is to be
    /// run by a runtime, and ends once all clones are dropped and nothing waits.
    ///
    /// # Errors
    ///
    /// As [`DurableLog::open`](crate::store::DurableLog::open).
    pub fn open(
        folder: &Path,
        which: LoggedPages,
        share: f64,
        config: &LogConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery, impl Future<Output = ()> + Send + use<>), JournalError> {
        let (records, recovery, work) = RecordLog::open("pages", folder, config, clock, Self::PACE)?;
        let log = Self { records, folder: folder.into(), which, share, settings: Arc::default() };
        Ok((log, recovery, work))
    }

    /// Begins to watch a page being made, if it is one to be written down. Which ones a share takes follows from their ids.
    pub fn watch<'a>(&'a self, recommender: &'a Recommender, id: &'a str) -> Option<Watched<'a>> {
        let wanted = match self.which {
            LoggedPages::None => false,
            LoggedPages::Explored => recommender.explores(),
            LoggedPages::All => true,
        };
        let is_wanted = wanted
            && recommender.settings().is_some()
            && (self.share >= 1.0 || HashVersion::V2.place("pages", id) < self.share);
        is_wanted.then(|| {
            let n_items = recommender.snapshot().catalog.len();
            Watched { log: self, recommender, id, events: recommender.live().applied(), n_items }
        })
    }

    /// Resolves once all that was noted so far is on the disk; never, while that takes nothing.
    pub async fn flush(&self) {
        self.records.flush().await;
    }

    /// What became of the pages so far.
    pub fn counts(&self) -> OutboxCounts {
        self.records.counts()
    }

    /// The pages in a folder now, oldest first, while another process may be writing to it. What cannot be read is told, and what is behind it
    /// follows.
    ///
    /// # Errors
    ///
    /// As [`DurableLog::look`](crate::store::DurableLog::look).
    pub fn look(
        folder: &Path,
    ) -> Result<impl Iterator<Item = Result<PageRecord, ScanError>> + use<>, JournalError> {
        look(folder)
    }

    /// The settings in a folder that have a [fingerprint](Settings::fingerprint).
    ///
    /// # Errors
    ///
    /// What the system says, and [`io::ErrorKind::InvalidData`] for a file that is not what was written.
    pub fn settings(folder: &Path, fingerprint: &str) -> io::Result<PipelineConfig> {
        let path = path_of(folder, fingerprint);
        let told = |cause: io::Error| io::Error::new(cause.kind(), format!("{}: {cause}", path.display()));
        let config: PipelineConfig =
            fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)).map_err(told)?;
        if *Settings::of(&config).fingerprint != *fingerprint {
            let problem = format!("{}: these are not the settings that it is named by", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(config)
    }

    /// Sees to it that settings are in the folder; a record without them would be of no use.
    fn keep(&self, settings: &Settings) -> io::Result<()> {
        let mut known = self.settings.lock();
        if known.contains(&settings.fingerprint) {
            return Ok(());
        }
        let path = path_of(&self.folder, &settings.fingerprint);
        if !path.exists() {
            file::replace(&path, |file| {
                let text = serde_json::to_vec_pretty(&settings.config)?;
                file.write_all(&text)
            })?;
        }
        known.insert(Arc::clone(&settings.fingerprint));
        Ok(())
    }
}

fn path_of(folder: &Path, fingerprint: &str) -> PathBuf {
    folder.join(format!("settings-{fingerprint}.json"))
}

impl Watched<'_> {
    /// Writes down what came of it, in the background; false, and counted, where there is no room.
    pub fn note(self, request: &Request, page: &Page, variants: &[Assignment]) -> bool {
        let Self { log, recommender, id, events, n_items } = self;
        let Some(settings) = recommender.settings() else { return false };
        if log.keep(settings).is_err() {
            log.records.lose();
            return false;
        }
        let until = Some(recommender.live().applied()).filter(|until| *until != events);
        log.records.send(PageRecord {
            id: id.into(),
            at: page.at,
            request: AskedPage::of(request),
            variants: variants.to_vec(),
            snapshot: Arc::clone(&page.snapshot),
            n_items,
            settings: Arc::clone(&settings.fingerprint),
            events,
            until,
            rung: page.rung,
            is_degraded: page.is_degraded(),
            found: page.found,
            introduced: page.introduced.clone(),
            items: page.shown(),
            digest: page.digest(),
        })
    }
}
