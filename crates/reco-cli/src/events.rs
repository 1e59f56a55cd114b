//! Where the server keeps events, and what it finds there when it starts.

use crate::config::Config;
use crate::{Failure, Session};
use reco_core::live::{CheckpointError, Live, LiveLimits};
use reco_core::pipeline::Recommender;
use reco_core::store::{DeadLetters, DurableLog, JournalError, LogConfig, Recovery};
use reco_core::time::{Clock, SystemClock, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How events are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EventsConfig {
    /// On disk or in memory.
    pub(crate) keep: Keep,
    /// The folder on disk.
    pub(crate) path: PathBuf,
    /// Minutes after which what is known of users is written down, so that the next start need not read the whole log.
    pub(crate) checkpoint_minutes: f64,
    /// Whether the history is written as Parquet files by date, too.
    pub(crate) history: bool,
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
        Self {
            keep: Keep::default(),
            path: "reco-events".into(),
            checkpoint_minutes: 5.0,
            history: true,
            log: LogConfig::default(),
        }
    }
}

impl EventsConfig {
    /// What is wrong with it, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let minutes = self.checkpoint_minutes;
        let is_sound = (0.01..=1e6).contains(&minutes);
        let own =
            (!is_sound).then(|| format!("checkpoint_minutes is {minutes}, must be between 0.01 and 1000000"));
        own.into_iter()
            .chain(self.log.problems().into_iter().map(|problem| format!("log.{problem}")))
            .collect()
    }

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
    /// The file of the live layer's checkpoint.
    pub(crate) checkpoint: PathBuf,
    /// The file of what happened of late.
    pub(crate) analytics: PathBuf,
    /// The folder of the history, if it is written.
    pub(crate) history: Option<PathBuf>,
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
        let checkpoint = config.path.join("live.checkpoint");
        let analytics = config.path.join("analytics.counts");
        let history = config.path.join("history");
        if log.range().end == 0 {
            are_none_of_another_log(&config.path, [&checkpoint, &analytics, &history])?;
        }
        let history = config.history.then_some(history);
        Ok(Self { log: Arc::new(log), dead: Arc::new(dead), checkpoint, analytics, history })
    }

    /// What an earlier process knew of users, trends and new items. Where that cannot be gone on from, it is told why: the
    /// log has everything.
    pub(crate) fn live(&self, session: &Session) -> Result<Option<Live>, Failure> {
        let Config { weights, train, .. } = &session.config;
        let half_life = train.trend_half_life_days;
        match Live::resume(&self.checkpoint, weights.clone(), half_life, LiveLimits::default()) {
            Err(error @ CheckpointError::Io { .. }) => Err(error.into()),
            Err(error) => {
                session.output.note(&format!("{error}; the log is read from its beginning instead"));
                Ok(None)
            }
            Ok(live) => Ok(live),
        }
    }

    /// When the latest event happened that is kept.
    pub(crate) fn latest(&self, live: &Live) -> Option<Timestamp> {
        let unknown = self.log.scan(self.unknown(live)).filter_map(|found| Some(found.ok()?.event.at));
        live.latest().into_iter().chain(unknown).max()
    }

    /// Lets the recommender know of what is kept and it does not know yet.
    pub(crate) fn restore(&self, session: &Session, recommender: &Recommender) {
        let (first, end) = (self.unknown(recommender.live()), self.log.range().end);
        if first >= end {
            return;
        }
        session.progress.begin("restoring events", end - first);
        let mut n_events = 0;
        let readable = self.log.scan(first).filter_map(|found| {
            session.progress.advance(1);
            found.map_err(|error| session.output.note(&error.to_string())).ok()
        });
        recommender.restore(readable.inspect(|_| n_events += 1));
        session.progress.end(&format!("{n_events} of earlier"));
    }

    /// The position from which on the log has what is not known yet.
    fn unknown(&self, live: &Live) -> u64 {
        live.applied().next(0, self.log.range().start)
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

/// What was made of a log tells its events by their positions. In the place of a log that was removed another begins to count
/// anew, and its events would be taken for those.
fn are_none_of_another_log(folder: &Path, made: [&PathBuf; 3]) -> Result<(), Failure> {
    let left: Vec<String> =
        made.into_iter().filter(|path| path.exists()).map(|path| path.display().to_string()).collect();
    if left.is_empty() {
        return Ok(());
    }
    let (folder, left) = (folder.display(), left.join(", "));
    Err(format!("{folder}: there is no event in the log, but {left} of an earlier one; move them away")
        .into())
}

fn tell(session: &Session, recovery: &Recovery) {
    recovery.to_string().lines().for_each(|line| session.output.note(line));
}
