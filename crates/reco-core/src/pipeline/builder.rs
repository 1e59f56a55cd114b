//! Registering the parts of a pipeline.

use super::parts::{Limits, Parts, Policed, Quotas, Source};
use super::pool::Pool;
use super::swap::Swaps;
use super::{DEFAULT_DEADLINE, Inner, Recommender};
use crate::error::OnFault;
use crate::features::FeatureSource;
use crate::filter::Filter;
use crate::live::Live;
use crate::rank::Ranker;
use crate::rerank::Reranker;
use crate::retrieve::{CandidateGenerator, RemoteGenerator};
use crate::snapshot::Snapshot;
use crate::store::{EventSink, MemoryLog};
use crate::time::{Clock, SystemClock};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;

/// Collects the parts of a [`Recommender`]; each method says what happens without it.
///
/// Generators, filters and re-rankers run in the order given; rankers are tried in the order given.
#[derive(Debug)]
#[must_use]
pub struct RecommenderBuilder {
    snapshot: Arc<Snapshot>,
    features: Option<Arc<dyn FeatureSource>>,
    live: Option<Arc<Live>>,
    events: Option<Arc<dyn EventSink>>,
    generators: Vec<Source<dyn CandidateGenerator>>,
    remotes: Vec<Source<dyn RemoteGenerator>>,
    filters: Vec<Policed<dyn Filter>>,
    rankers: Vec<Policed<dyn Ranker>>,
    rerankers: Vec<Policed<dyn Reranker>>,
    limits: Limits,
    threads: usize,
    max_waiting: usize,
    clock: Arc<dyn Clock>,
}

/// Why a pipeline cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two parts of a kind answer to the same name.
    #[error("two {kind} are named `{name}`; names must be unique")]
    Duplicate {
        /// Kind of part.
        kind: &'static str,
        /// Their name.
        name: Arc<str>,
    },
    /// A weight is no finite number above 0.
    #[error("the weight of generator `{name}` is {weight}, must be a finite number above 0")]
    Weight {
        /// The generator.
        name: Arc<str>,
        /// Its weight.
        weight: f32,
    },
    /// A configuration with problems; all of them.
    #[error("{}", .0.join("\n"))]
    Config(Vec<String>),
    /// The operating system refused the compute threads.
    #[error("the compute threads could not be started")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl RecommenderBuilder {
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        let limits = Limits {
            deadline: DEFAULT_DEADLINE,
            waiting_share: 0.3,
            retrieval_share: 0.6,
            max_count: 1_000,
            max_list: 1_000,
        };
        Self {
            snapshot,
            features: None,
            live: None,
            events: None,
            generators: Vec::new(),
            remotes: Vec::new(),
            filters: Vec::new(),
            rankers: Vec::new(),
            rerankers: Vec::new(),
            limits,
            threads: 0,
            max_waiting: 1_024,
            clock: Arc::new(SystemClock),
        }
    }

    /// Where user features come from; the live layer unless set.
    pub fn features(mut self, source: impl FeatureSource) -> Self {
        self.features = Some(Arc::new(source));
        self
    }

    /// The live layer; a fresh one with default weights unless set.
    pub fn live(mut self, live: Arc<Live>) -> Self {
        self.live = Some(live);
        self
    }

    /// Where events go before they count; a bounded log in memory unless set.
    pub fn events(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.events = Some(sink);
        self
    }

    /// Adds a generator whose failure is skipped and whose votes weigh 1.
    pub fn generator(self, generator: impl CandidateGenerator, quotas: Quotas) -> Self {
        self.generator_with(Arc::new(generator), quotas, 1.0, OnFault::Skip)
    }

    /// Adds a generator with everything said. With [`OnFault::StepDown`] its failure
    /// replaces all personal candidates by popular ones.
    pub fn generator_with(
        mut self,
        generator: Arc<dyn CandidateGenerator>,
        quotas: Quotas,
        weight: f32,
        on_fault: OnFault,
    ) -> Self {
        let policed = Policed { name: generator.name().into(), part: generator, on_fault };
        self.generators.push(Source { policed, quotas, weight });
        self
    }

    /// Adds a generator on another machine.
    pub fn remote(
        mut self,
        generator: Arc<dyn RemoteGenerator>,
        quotas: Quotas,
        weight: f32,
        on_fault: OnFault,
    ) -> Self {
        let policed = Policed { name: generator.name().into(), part: generator, on_fault };
        self.remotes.push(Source { policed, quotas, weight });
        self
    }

    /// Adds a filter. With [`OnFault::Fail`] no page is served without it.
    pub fn filter(mut self, filter: impl Filter, on_fault: OnFault) -> Self {
        self.filters.push(Policed { name: filter.name().into(), part: Arc::new(filter), on_fault });
        self
    }

    /// Adds a ranker; the first that answers decides. Without any, candidates keep their merged order.
    pub fn ranker(self, ranker: impl Ranker) -> Self {
        self.ranker_with(Arc::new(ranker), OnFault::StepDown)
    }

    /// Adds a ranker with its policy; anything but [`OnFault::Fail`] tries the next one.
    pub fn ranker_with(mut self, ranker: Arc<dyn Ranker>, on_fault: OnFault) -> Self {
        self.rankers.push(Policed { name: ranker.name().into(), part: ranker, on_fault });
        self
    }

    /// Adds a ranker that is asked before all others, such as those that a configuration brought; when it fails, they
    /// take its place.
    pub fn ranker_first(mut self, ranker: impl Ranker) -> Self {
        let name = ranker.name().into();
        self.rankers.insert(0, Policed { name, part: Arc::new(ranker), on_fault: OnFault::StepDown });
        self
    }

    /// Adds a re-ranker that is left out when it fails or time is up.
    pub fn reranker(self, reranker: impl Reranker) -> Self {
        self.reranker_with(Arc::new(reranker), OnFault::Skip)
    }

    /// Adds a re-ranker with its policy; unless that is [`OnFault::Skip`], it runs even when time is up.
    pub fn reranker_with(mut self, reranker: Arc<dyn Reranker>, on_fault: OnFault) -> Self {
        self.rerankers.push(Policed { name: reranker.name().into(), part: reranker, on_fault });
        self
    }

    /// Time for a request that does not bring its own; 50 ms unless set.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.limits.deadline = deadline;
        self
    }

    /// Most items one request may ask for; 1,000 unless set.
    pub fn max_count(mut self, max_count: usize) -> Self {
        self.limits.max_count = max_count;
        self
    }

    /// Compute threads (0, the default: one per core) and how many requests may wait for
    /// them (1,024 unless set) before more are refused.
    pub fn pool(mut self, threads: usize, max_waiting: usize) -> Self {
        (self.threads, self.max_waiting) = (threads, max_waiting);
        self
    }

    /// The clock; the system's unless set.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The finished pipeline.
    ///
    /// # Errors
    ///
    /// [`BuildError`] for names used twice, weights that make no sense, or threads that cannot start.
    pub fn build(self) -> Result<Recommender, BuildError> {
        let live = self.live.unwrap_or_default();
        let sources: Vec<(Arc<str>, f32)> = (self.generators.iter())
            .map(|source| (Arc::clone(&source.policed.name), source.weight))
            .chain(self.remotes.iter().map(|source| (Arc::clone(&source.policed.name), source.weight)))
            .collect();
        if let Some((name, weight)) =
            sources.iter().find(|(_, weight)| !(weight.is_finite() && *weight > 0.0))
        {
            return Err(BuildError::Weight { name: Arc::clone(name), weight: *weight });
        }
        let source_names: Arc<[Arc<str>]> = sources.into_iter().map(|(name, _)| name).collect();
        unique("generators", source_names.iter())?;
        unique("filters", self.filters.iter().map(|filter| &filter.name))?;
        unique("rankers", self.rankers.iter().map(|ranker| &ranker.name))?;
        unique("re-rankers", self.rerankers.iter().map(|rule| &rule.name))?;
        let parts = Parts {
            features: self.features.unwrap_or_else(|| Arc::<Live>::clone(&live)),
            generators: self.generators,
            remotes: self.remotes,
            source_names,
            filters: self.filters,
            rankers: self.rankers,
            rerankers: self.rerankers,
            limits: self.limits,
        };
        let events = self.events.unwrap_or_else(|| Arc::new(MemoryLog::default()));
        let recommender = Recommender(Arc::new(Inner {
            parts: Arc::new(parts),
            snapshot: ArcSwap::new(self.snapshot),
            live,
            events,
            clock: self.clock,
            pool: Pool::new(self.threads, self.max_waiting)?,
            swaps: Swaps::default(),
        }));
        // The live layer may know from before what is new to this snapshot.
        recommender.fold_newcomers(&recommender.snapshot());
        Ok(recommender)
    }
}

fn unique<'a>(kind: &'static str, names: impl Iterator<Item = &'a Arc<str>>) -> Result<(), BuildError> {
    let mut seen: Vec<&Arc<str>> = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(BuildError::Duplicate { kind, name: Arc::clone(name) });
        }
        seen.push(name);
    }
    Ok(())
}
