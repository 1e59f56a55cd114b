//! While serving: another champion takes over, if it passes.

use crate::config::Config;
use crate::registry::Versions;
use reco_core::pipeline::{PipelineConfig, Recommender, SwapGuard};
use reco_core::registry::Alias;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tracing::{info, warn};

/// Looks at the champion every so often, and at once when asked to.
#[derive(Debug)]
pub(crate) struct Watch {
    versions: Versions,
    pipeline: PipelineConfig,
    guard: SwapGuard,
    /// None to look only when asked to.
    every: Option<Duration>,
    /// The version that serves, and the one that was refused since.
    serving: u64,
    refused: Option<u64>,
    /// Why nobody knows the champion.
    unreadable: Option<String>,
}

impl Watch {
    pub(crate) fn new(versions: Versions, serving: u64, config: &Config) -> Self {
        let registry = &config.registry;
        let every = (registry.watch_secs > 0).then(|| Duration::from_secs(registry.watch_secs));
        let pipeline = config.pipeline.clone();
        Self { versions, pipeline, guard: registry.guard(), every, serving, refused: None, unreadable: None }
    }

    /// Watches until the runtime ends; `now` lets it look at once.
    pub(crate) async fn run(mut self, recommender: Recommender, now: Arc<Notify>) {
        let mut asked = Asked::new();
        loop {
            let is_asked = tokio::select! {
                () = passed(self.every) => false,
                () = now.notified() => false,
                () = asked.wait() => true,
            };
            if is_asked {
                (self.refused, self.unreadable) = (None, None);
            }
            let recommender = recommender.clone();
            // Loading and checking take seconds, which belong to no thread that answers.
            let looked = tokio::task::spawn_blocking(move || {
                self.look(&recommender);
                self
            });
            match looked.await {
                Ok(watch) => self = watch,
                Err(cause) => return warn!("the registry is watched no more: {cause}"),
            }
        }
    }

    fn look(&mut self, recommender: &Recommender) {
        let champion = match self.versions.registry.read_rollout(&self.versions.model) {
            Ok(rollout) => rollout.named(Alias::Champion),
            Err(error) => {
                let why = self.versions.told(error).to_string();
                // Once, for the moment of it is to stay that at which it was noticed.
                if self.unreadable.as_ref() != Some(&why) {
                    warn!("v{} goes on: {why}", self.serving);
                    recommender.note_unloadable(&Alias::Champion.to_string(), why.clone());
                    self.unreadable = Some(why);
                }
                return;
            }
        };
        self.unreadable = None;
        let Some(version) = champion.filter(|version| *version != self.serving) else {
            self.refused = None;
            return;
        };
        if self.refused == Some(version) {
            return;
        }
        info!("v{version} is champion; loading it beside v{}", self.serving);
        match self.swap(recommender, version) {
            Ok(said) => {
                info!("v{version} serves now: {said}");
                for remark in self.pipeline.remarks(&recommender.snapshot()) {
                    warn!("pipeline.{remark}");
                }
                (self.serving, self.refused) = (version, None);
            }
            Err(why) => {
                warn!("v{} goes on, v{version} was refused: {why}", self.serving);
                self.refused = Some(version);
            }
        }
    }

    fn swap(&self, recommender: &Recommender, version: u64) -> Result<String, String> {
        let snapshot = self.versions.load(version).map_err(|error| {
            let why = error.to_string();
            recommender.note_unloadable(&format!("v{version}"), why.clone());
            why
        })?;
        let before = Arc::downgrade(&recommender.snapshot());
        let report =
            recommender.swap_checked(snapshot, &self.guard).map_err(|refused| refused.to_string())?;
        let left = before.strong_count();
        Ok(format!(
            "{} requests replayed, {:.3} of the old pages' items kept, p99 {:.1} ms; {left} requests still on the old one",
            report.replayed,
            report.overlap,
            report.p99.as_secs_f64() * 1e3
        ))
    }
}

/// Waits so long; for ever without a time.
async fn passed(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// SIGHUP, where there is such a thing.
struct Asked(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Asked {
    #[cfg(unix)]
    fn new() -> Self {
        Self(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok())
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self()
    }

    async fn wait(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
