//! Experiments while serving: pipelines of variants, who had which, and the way of exposures to the log.

use crate::args::ModelArgs;
use crate::consumers::opened;
use crate::events::Events;
use crate::fleet::Fleet;
use crate::{Failure, Session, model};
use reco_core::experiment::{Experiments, Exposures, Ledger, Metrics};
use reco_core::pipeline::{Recommender, Variants};
use std::sync::Arc;
use tokio::runtime::Handle;

/// What experiments need while the server runs.
#[derive(Clone, Debug)]
pub(crate) struct Trials {
    pub(crate) variants: Variants,
    pub(crate) ledger: Ledger,
    pub(crate) exposures: Exposures,
    pub(crate) metrics: Metrics,
}

impl Trials {
    /// Starts the experiments that the configuration names; nothing, if it names none.
    pub(crate) fn start(
        session: &Session,
        args: &ModelArgs,
        runtime: &Handle,
        events: Option<&Events>,
        recommender: &Recommender,
        fleet: &Fleet,
    ) -> Result<Option<Self>, Failure> {
        let config = &session.config;
        let experiments = Experiments::new(config.experiments.clone(), config.holdouts.clone())
            .map_err(|problems| problems.join("\n"))?;
        if experiments.is_empty() {
            return Ok(None);
        }
        let versions = model::versions(session, args)?;
        let load = |version: u64| match &versions {
            Some(versions) => versions.load(version).map_err(|error| error.to_string()),
            None => Err(format!(
                "is {version}, and there is no registry to load it from; name one by registry.path"
            )),
        };
        let main = recommender.clone();
        let build = |pipeline: &_, snapshot| {
            let pipeline: &reco_core::pipeline::PipelineConfig = pipeline;
            Ok(fleet.joined(session, pipeline.builder(snapshot)?, main.clock()))
        };
        let variants = Variants::new(main.clone(), experiments, &config.pipeline, build, load)?;
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
        Ok(Some(Self { variants, ledger, exposures, metrics }))
    }
}
