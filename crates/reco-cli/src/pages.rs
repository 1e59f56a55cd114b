//! Pages that are written down as they were served.

use crate::config::{Config, out_of_range};
use crate::events::EventsConfig;
use crate::{Failure, Session};
use reco_core::pipeline::{LoggedPages, PageLog};
use reco_core::store::LogConfig;
use reco_core::time::SystemClock;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Which pages are written down, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PagesConfig {
    /// Which.
    pub(crate) keep: LoggedPages,
    /// The share of them, 0 to 1.
    pub(crate) share: f64,
    /// The folder; `pages` in that of the events unless set.
    pub(crate) path: Option<PathBuf>,
    /// Days after which they are dropped.
    pub(crate) keep_days: f64,
    /// Megabytes past which the oldest are dropped.
    pub(crate) keep_mb: u64,
}

impl Default for PagesConfig {
    fn default() -> Self {
        Self { keep: LoggedPages::Explored, share: 1.0, path: None, keep_days: 90.0, keep_mb: 2_000 }
    }
}

impl PagesConfig {
    /// What is wrong with it, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let empty = self.path.as_ref().is_some_and(|path| path.as_os_str().is_empty());
        let path = empty.then(|| "path is empty, must name a folder".to_owned());
        let share = out_of_range("share", self.share, 0.0, 1.0);
        share.into_iter().chain(path).chain(self.log().problems()).collect()
    }

    /// The folder.
    pub(crate) fn folder(&self, events: &EventsConfig) -> PathBuf {
        self.path.clone().unwrap_or_else(|| events.path.join("pages"))
    }

    fn log(&self) -> LogConfig {
        LogConfig { segment_mb: 16, keep_mb: self.keep_mb, keep_days: self.keep_days, remembered_ids: 1 }
    }
}

/// Whether chance fills places of anybody's pages.
fn explores(config: &Config) -> bool {
    let mut variants = config.experiments.values().flat_map(|experiment| &experiment.variants);
    config.pipeline.explore.is_some() || variants.any(|variant| variant.pipeline.contains_key("explore"))
}

/// Opens the folder and begins to write there; nothing, if no page is to be kept.
pub(crate) fn opened(session: &Session, runtime: &Handle) -> Result<Option<PageLog>, Failure> {
    let config = &session.config.pages;
    let is_wanted = match config.keep {
        LoggedPages::None => false,
        LoggedPages::Explored => explores(&session.config),
        LoggedPages::All => true,
    };
    if !is_wanted {
        return Ok(None);
    }
    let folder = config.folder(&session.config.events);
    let opened = PageLog::open(&folder, config.keep, config.share, &config.log(), Arc::new(SystemClock));
    let way_out = "or name another folder with --set pages.path=FOLDER, or none with --set pages.keep=none";
    let (log, recovery, work) = opened.map_err(|problem| format!("{problem}; {way_out}"))?;
    recovery.to_string().lines().for_each(|line| session.output.note(line));
    runtime.spawn(work);
    Ok(Some(log))
}
