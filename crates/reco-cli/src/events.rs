//! Where the server keeps events, and what it finds there when it starts.

use crate::{Failure, Session};
use reco_core::store::{DeadLetters, DurableLog, JournalError, LogConfig, Recovery};
use reco_core::time::{Clock, SystemClock, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// How events are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EventsConfig {
    /// On disk or in memory.
    pub(crate) keep: Keep,
    /// The folder on disk.
    pub(crate) path: PathBuf,
    /// How the log there is kept.
    pub(crate) log: LogConfig,
}

/// What becomes of events when the server ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keep {
    /// They are there again when it starts.
    #[default]
    Disk,
    /// They are gone.
    Memory,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { keep: Keep::default(), path: "reco-events".into(), log: LogConfig::default() }
    }
}

impl EventsConfig {
    /// Where events that cannot be used are.
    pub(crate) fn dead(&self) -> PathBuf {
        self.path.join("rejected")
    }

    /// They are few and looked at soon.
    fn dead_log(&self) -> LogConfig {
        LogConfig { segment_mb: 8, keep_mb: 256, keep_days: self.log.keep_days, remembered_ids: 1 }
    }
}

/// The log on disk and what could not be used of what came.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    pub(crate) log: Arc<DurableLog>,
    pub(crate) dead: Arc<DeadLetters>,
}

impl Events {
    /// Opens what the configuration names, for this process alone. What was repaired or is damaged is told.
    pub(crate) fn open(session: &Session, config: &EventsConfig) -> Result<Self, Failure> {
        // Files grow old by the machine's time, whatever time it is on the pages.
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let opened = DurableLog::open(&config.path, &config.log, Arc::clone(&clock));
        let (log, recovery) = opened.map_err(explained)?;
        tell(session, &recovery);
        let (dead, recovery) =
            DeadLetters::open(&config.dead(), &config.dead_log(), clock).map_err(explained)?;
        tell(session, &recovery);
        Ok(Self { log: Arc::new(log), dead: Arc::new(dead) })
    }

    /// When the latest event happened.
    pub(crate) fn latest(&self) -> Option<Timestamp> {
        self.log.scan(0).filter_map(|found| Some(found.ok()?.event.at)).max()
    }
}

/// With what helps.
fn explained(error: JournalError) -> Failure {
    let problem = match error {
        JournalError::Busy(path) => {
            format!("{}: another process keeps its events there; stop it", path.display())
        }
        other => other.to_string(),
    };
    format!("{problem}; or name another folder with --set events.path=FOLDER, or none with --set events.keep=memory").into()
}

fn tell(session: &Session, recovery: &Recovery) {
    recovery.to_string().lines().for_each(|line| session.output.note(line));
}
