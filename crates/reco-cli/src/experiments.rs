//! Experiments while serving: pipelines of variants, who had which, and the way of exposures to the log.

use crate::consumers::opened;
use crate::events::Events;
use crate::fleet::Fleet;
use crate::registry::Versions;
use crate::states::{States, Turns};
use crate::{Failure, Session};
use parking_lot::Mutex;
use reco_core::experiment::rollout::Trial;
use reco_core::experiment::{Experiments, Exposures, Ledger, Metrics, Traffic};
use reco_core::pipeline::{CurrentVariants, PipelineConfig, Recommender, Variants};
use reco_core::snapshot::Snapshot;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use tokio::runtime::Handle;

/// What experiments need while the server runs.
#[derive(Clone, Debug)]
pub(crate) struct Trials {
    pub(crate) variants: CurrentVariants,
    pub(crate) ledger: Ledger,
    pub(crate) exposures: Exposures,
    pub(crate) metrics: Metrics,
    pub(crate) traffic: Traffic,
    /// What was served at the start, as far as it is not what the configuration says.
    pub(crate) serving: Wanted,
}

/// What is to be served beside what the configuration says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// A version on trial.
    pub(crate) trial: Option<Trial>,
    /// Experiments that were started or stopped by hand.
    pub(crate) turns: Turns,
}

/// Where pipelines of variants are made.
pub(crate) struct Workshop<'a> {
    session: &'a Session,
    fleet: &'a Fleet,
    main: Recommender,
    versions: Option<Versions>,
    /// Other versions of the model that serve already.
    loaded: Mutex<BTreeMap<u64, Weak<Snapshot>>>,
}

impl<'a> Workshop<'a> {
    pub(crate) fn new(
        session: &'a Session,
        fleet: &'a Fleet,
        main: &Recommender,
        versions: Option<Versions>,
    ) -> Self {
        Self { session, fleet, main: main.clone(), versions, loaded: Mutex::default() }
    }

    /// The recommender for everybody else.
    pub(crate) fn main(&self) -> &Recommender {
        &self.main
    }

    /// The variants of the experiments that the configuration names, and of a version on trial beside them.
    pub(crate) fn variants(&self, Wanted { trial, turns }: &Wanted) -> Result<Variants, Failure> {
        let config = &self.session.config;
        let mut configs = turns.applied(&config.experiments);
        configs
            .extend(trial.map(|trial| (trial.experiment(), trial.config(config.rollout.metric.as_deref()))));
        let experiments =
            Experiments::new(configs, config.holdouts.clone()).map_err(|problems| problems.join("\n"))?;
        let build = |pipeline: &PipelineConfig, snapshot| {
            Ok(self.fleet.joined(self.session, pipeline.builder(snapshot)?, self.main.clock()))
        };
        let load = |version| self.load(version).map_err(|error| error.to_string());
        Ok(Variants::new(self.main.clone(), experiments, &config.pipeline, build, load)?)
    }

    /// Another version of the model; one that serves already is not read again.
    fn load(&self, version: u64) -> Result<Arc<Snapshot>, Failure> {
        let known = self.loaded.lock().get(&version).and_then(Weak::upgrade);
        if let Some(snapshot) = known {
            return Ok(snapshot);
        }
        let versions = self.versions.as_ref().ok_or_else(|| {
            format!("is {version}, and there is no registry to load it from; name one by registry.path")
        })?;
        let snapshot = Arc::new(versions.load(version)?);
        let mut loaded = self.loaded.lock();
        loaded.retain(|_, snapshot| snapshot.strong_count() > 0);
        loaded.insert(version, Arc::downgrade(&snapshot));
        Ok(snapshot)
    }
}

impl Trials {
    /// Starts the experiments that the configuration names; nothing, if it names none and no version can come on trial.
    pub(crate) fn start(
        session: &Session,
        workshop: &Workshop<'_>,
        runtime: &Handle,
        events: Option<&Events>,
    ) -> Result<Option<Self>, Failure> {
        let config = &session.config;
        if config.experiments.is_empty() && workshop.versions.is_none() {
            return Ok(None);
        }
        let recommender = workshop.main();
        let turns = events.map(|_| States::beside(&config.events.path).read()).transpose()?;
        let serving = Wanted { trial: None, turns: turns.unwrap_or_default() };
        let variants = workshop.variants(&serving)?.into();
        let (exposures, work) =
            Exposures::new(Arc::clone(recommender.events()), Arc::clone(recommender.clock()));
        runtime.spawn(work);
        let (ledger, metrics) = match events {
            Some(events) => {
                let measured = config.experiment_metrics();
                let metrics = opened(session, &events.experiments, |path| Metrics::open(&measured, path))?;
                let ledger = opened(session, &events.exposures, |path| Ledger::open(path))?;
                // Before anybody asks, or who had a variant might get another.
                let unknown = events.log.unknown_on_disk(&ledger.applied());
                unknown.for_each(|delivery| ledger.count(&[delivery]));
                (ledger, metrics)
            }
            None => (Ledger::in_memory(), Metrics::in_memory(&config.experiment_metrics())),
        };
        Ok(Some(Self { variants, ledger, exposures, metrics, traffic: Traffic::default(), serving }))
    }
}
