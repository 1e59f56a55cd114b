//! Where the server keeps events, and what it finds there when it starts.

#[cfg(feature = "kafka")]
mod kafka;
mod log;

pub(crate) use log::Log;

use crate::config::{Config, out_of_range};
use crate::fleet::not_built;
use crate::{Failure, Session};
use reco_core::catalog::ItemRecord;
use reco_core::live::{CheckpointError, Live, LiveLimits, Places};
use reco_core::pipeline::Recommender;
use reco_core::store::{DeadLetters, DurableLog, ItemLog, ItemLogError, JournalError, LogConfig, Recovery};
use reco_core::time::{SystemClock, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// How events are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EventsConfig {
    /// On disk, in memory or in Kafka.
    pub(crate) keep: Keep,
    /// The folder on disk.
    pub(crate) path: PathBuf,
    /// Minutes after which what is known of users is written down, so that the next start need not read the whole log.
    pub(crate) checkpoint_minutes: f64,
    /// Whether the history is written as Parquet files by date, too.
    pub(crate) history: bool,
    /// Whether finished sessions are written, too.
    pub(crate) sessions: bool,
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
    /// They are in Kafka, where other servers write and read, too.
    Kafka,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            keep: Keep::default(),
            path: "reco-events".into(),
            checkpoint_minutes: 5.0,
            history: true,
            sessions: true,
            log: LogConfig::default(),
        }
    }
}

impl EventsConfig {
    /// What is wrong with it, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let minutes = out_of_range("checkpoint_minutes", self.checkpoint_minutes, 0.01, 1e6);
        let keep = not_built("keep", "kafka", self.keep == Keep::Kafka, cfg!(feature = "kafka"));
        let path = self.path.as_os_str().is_empty().then(|| "path is empty, must name a folder".to_owned());
        (minutes.into_iter())
            .chain(path)
            .chain(keep)
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
    pub(crate) log: Log,
    pub(crate) dead: Arc<DeadLetters>,
    /// The file of the live layer's checkpoint.
    pub(crate) checkpoint: PathBuf,
    /// The file of what happened of late.
    pub(crate) analytics: PathBuf,
    /// The file of who had which variant of an experiment.
    pub(crate) exposures: PathBuf,
    /// The file of what exposed users did.
    pub(crate) experiments: PathBuf,
    /// The file of items that came while serving.
    pub(crate) items: PathBuf,
    /// The folder of the history, if it is written.
    pub(crate) history: Option<PathBuf>,
    /// The folder of finished sessions, if they are written.
    pub(crate) sessions: Option<PathBuf>,
}

impl Events {
    /// Where the configuration says that events are kept; nothing if that is in memory. `runtime` is where connections
    /// are worked on.
    pub(crate) fn of(session: &Session, runtime: &Handle) -> Result<Option<Self>, Failure> {
        let config = &session.config.events;
        match config.keep {
            Keep::Disk => Self::open(session, config).map(Some),
            Keep::Memory => Ok(None),
            Keep::Kafka => Self::around(session, config, in_kafka(session, runtime)?).map(Some),
        }
    }

    /// Opens the folder that the configuration names, for this process alone. What was repaired or is damaged is told.
    pub(crate) fn open(session: &Session, config: &EventsConfig) -> Result<Self, Failure> {
        // Files grow old by the machine's time, whatever time it is on the pages.
        let opened = DurableLog::open(&config.path, &config.log, Arc::new(SystemClock));
        let (log, recovery) = opened.map_err(explained)?;
        tell(session, &recovery);
        let is_new = log.range().end == 0;
        let events = Self::around(session, config, Log::Disk(Arc::new(log)))?;
        if is_new {
            let [history, sessions] = ["history", "sessions"].map(|name| config.path.join(name));
            let made = [
                &events.checkpoint,
                &events.analytics,
                &events.exposures,
                &events.experiments,
                &history,
                &sessions,
            ];
            are_none_of_another_log(&config.path, made)?;
        }
        Ok(events)
    }

    /// What stands around a log.
    fn around(session: &Session, config: &EventsConfig, log: Log) -> Result<Self, Failure> {
        let opened = DeadLetters::open(&config.dead(), &config.dead_log(), Arc::new(SystemClock));
        let (dead, recovery) = opened.map_err(explained)?;
        tell(session, &recovery);
        Ok(Self {
            history: config.history.then(|| config.path.join("history")),
            sessions: config.sessions.then(|| config.path.join("sessions")),
            checkpoint: config.path.join("live.checkpoint"),
            analytics: config.path.join("analytics.counts"),
            exposures: config.path.join("experiments.exposures"),
            experiments: config.path.join("experiments.metrics"),
            items: config.path.join("items.jsonl"),
            dead: Arc::new(dead),
            log,
        })
    }

    /// What an earlier process knew of users, trends and new items. Where that cannot be gone on from, it is told why: the
    /// log has everything.
    pub(crate) fn live(&self, session: &Session) -> Result<Option<Live>, Failure> {
        let Config { weights, train, .. } = &session.config;
        let half_life = train.trend_half_life_days;
        match Live::resume(&self.checkpoint, weights.clone(), half_life, LiveLimits::default()) {
            Ok(live) => Ok(live),
            Err(error @ CheckpointError::Io { .. }) => Err(error.into()),
            Err(error) => {
                if let CheckpointError::OtherRules { applied, .. } = &error
                    && let n_gone @ 1.. = self.gone(applied)?
                {
                    return Err(format!(
                        "{error}; the log cannot replace it, for {n_gone} events that it holds have left the log: set \
                         them back, or do without those events by `reco rebuild --force`"
                    )
                    .into());
                }
                session.output.note(&format!("{error}; the log is read from its beginning instead"));
                Ok(None)
            }
        }
    }

    /// How many of the events that are known the log has no more.
    pub(crate) fn gone(&self, known: &Places) -> Result<u64, Failure> {
        let begins = self.log.begins()?;
        Ok(begins.iter().map(|(&partition, &begin)| known.count_before(partition, begin)).sum())
    }

    /// When the latest event happened that is kept.
    pub(crate) fn latest(&self, live: &Live) -> Option<Timestamp> {
        live.latest().max(self.log.latest_after(&live.applied()))
    }

    /// The items that came while serving.
    pub(crate) fn items(&self) -> Result<(ItemLog, Vec<ItemRecord>), ItemLogError> {
        ItemLog::open(&self.items)
    }

    /// Lets the recommender know of what is kept and it does not know yet.
    pub(crate) fn restore(&self, session: &Session, recommender: &Recommender) -> Result<(), Failure> {
        self.log.restore(session, recommender, &self.checkpoint)
    }
}

/// The topic that the configuration names, created or checked.
#[cfg(feature = "kafka")]
fn in_kafka(session: &Session, runtime: &Handle) -> Result<Log, Failure> {
    Ok(Log::Remote(Arc::new(kafka::KafkaLog::connect(session, runtime)?)))
}

/// No configuration that asks for it gets here.
#[cfg(not(feature = "kafka"))]
fn in_kafka(_: &Session, _: &Handle) -> Result<Log, Failure> {
    Err("this program was built without Kafka".into())
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
fn are_none_of_another_log(folder: &Path, made: [&PathBuf; 6]) -> Result<(), Failure> {
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
