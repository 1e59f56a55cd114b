//! Registering the parts of a pipeline.

use super::arrivals::Arrivals;
use super::known::{self, Known};
use super::pages::PageCache;
use super::parts::{Limits, Parts, Policed, Quotas, Source};
use super::pool::Pool;
use super::{DEFAULT_DEADLINE, Inner, PipelineConfig, Recommender, Settings};
use crate::cache::Life;
use crate::catalog::ItemRecord;
use crate::embed::TextEmbedder;
use crate::error::OnFault;
use crate::features::FeatureSource;
use crate::filter::Filter;
use crate::launch::{Counted, ExposureBudget, LaunchConfig};
use crate::live::Live;
use crate::rank::Ranker;
use crate::rerank::{Explore, Reranker};
use crate::retrieve::{CandidateGenerator, RemoteGenerator};
use crate::snapshot::Snapshot;
use crate::store::{EventSink, ItemLog, MemoryLog};
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
    features: Option<(Arc<dyn FeatureSource>, Life)>,
    pages: Option<PageCache>,
    live: Option<Arc<Live>>,
    events: Option<Arc<dyn EventSink>>,
    parts: Parts,
    settings: Option<Arc<Settings>>,
    exposures: Option<Arc<dyn ExposureBudget>>,
    items: Option<(ItemLog, Vec<ItemRecord>)>,
    embedder: Option<Arc<dyn TextEmbedder>>,
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
            pages: None,
            live: None,
            events: None,
            parts: Parts::none(limits),
            settings: None,
            exposures: None,
            items: None,
            embedder: None,
            threads: 0,
            max_waiting: 1_024,
            clock: Arc::new(SystemClock),
        }
    }

    /// Notes the configuration that the parts so far are made of.
    pub(super) fn made_of(mut self, config: &PipelineConfig) -> Self {
        self.settings = Some(Arc::new(Settings::of(config)));
        self
    }

    /// Where user features come from; the live layer unless set. When the source fails, the last that it said of a user is
    /// used for a day, and the page says so.
    pub fn features(self, source: impl FeatureSource) -> Self {
        self.features_for(Arc::new(source), known::LAST_KNOWN)
    }

    /// The same for so long: [`Life::FEATURES`] asks the source every quarter of an hour, which is for sources whose events
    /// reach the live layer, too.
    pub fn features_for(mut self, source: Arc<dyn FeatureSource>, life: Life) -> Self {
        self.features = Some((source, life));
        self
    }

    /// Keeps finished pages for those who ask the same again; every page is computed unless set.
    pub fn pages(mut self, pages: PageCache) -> Self {
        self.pages = Some(pages);
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
        self.parts.generators.push(Source { policed, quotas, weight });
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
        self.parts.remotes.push(Source { policed, quotas, weight });
        self
    }

    /// Adds a filter. With [`OnFault::Fail`] no page is served without it.
    pub fn filter(mut self, filter: impl Filter, on_fault: OnFault) -> Self {
        self.parts.filters.push(Policed { name: filter.name().into(), part: Arc::new(filter), on_fault });
        self
    }

    /// Adds a ranker; the first that answers decides. Without any, candidates keep their merged order.
    pub fn ranker(self, ranker: impl Ranker) -> Self {
        self.ranker_with(Arc::new(ranker), OnFault::StepDown)
    }

    /// Adds a ranker with its policy; anything but [`OnFault::Fail`] tries the next one.
    pub fn ranker_with(mut self, ranker: Arc<dyn Ranker>, on_fault: OnFault) -> Self {
        self.parts.rankers.push(Policed { name: ranker.name().into(), part: ranker, on_fault });
        self
    }

    /// Adds a ranker that is asked before all others, such as those that a configuration brought; when it fails, they
    /// take its place.
    pub fn ranker_first(mut self, ranker: impl Ranker) -> Self {
        let name = ranker.name().into();
        self.parts.rankers.insert(0, Policed { name, part: Arc::new(ranker), on_fault: OnFault::StepDown });
        self
    }

    /// Adds a re-ranker that is left out when it fails or time is up.
    pub fn reranker(self, reranker: impl Reranker) -> Self {
        self.reranker_with(Arc::new(reranker), OnFault::Skip)
    }

    /// Adds a re-ranker with its policy; unless that is [`OnFault::Skip`], it runs even when time is up.
    pub fn reranker_with(mut self, reranker: Arc<dyn Reranker>, on_fault: OnFault) -> Self {
        self.parts.rerankers.push(Policed { name: reranker.name().into(), part: reranker, on_fault });
        self
    }

    /// Lets chance fill places, over what all rules have left: it comes after them. Every place of a page then has its
    /// [`propensity`](crate::page::PageItem::propensity).
    pub fn explore(mut self, explore: Explore) -> Self {
        let explore = Arc::new(explore);
        self.parts.explore = Some(Arc::clone(&explore));
        self.reranker_with(explore, OnFault::Skip)
    }

    /// Time for a request that does not bring its own; 50 ms unless set.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.parts.limits.deadline = deadline;
        self
    }

    /// How items that are new to the catalogue are introduced; as [`LaunchConfig::default`] says unless set. They need
    /// [`Slots`](crate::rerank::Slots) among the re-rankers.
    pub fn launch(mut self, launch: LaunchConfig) -> Self {
        self.parts.launch = Arc::new(launch);
        self
    }

    /// What grants their exposures; a count of this process alone unless set.
    pub fn exposures(mut self, exposures: Arc<dyn ExposureBudget>) -> Self {
        self.exposures = Some(exposures);
        self
    }

    /// Where items are kept that come while serving, with those that came before; they are gone with the process unless set.
    pub fn items(mut self, (log, items): (ItemLog, Vec<ItemRecord>)) -> Self {
        self.items = Some((log, items));
        self
    }

    /// What embeds the texts of items that come while serving: what the snapshot's [`TextVectors`](crate::embed::TextVectors)
    /// were made with. Without it, or where the snapshot has none of its making, items are alike by their words.
    pub fn embedder(mut self, embedder: Arc<dyn TextEmbedder>) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// Most items one request may ask for; 1,000 unless set.
    pub fn max_count(mut self, max_count: usize) -> Self {
        self.parts.limits.max_count = max_count;
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
        let known = match self.features {
            Some((source, life)) => Known::outside(source, life, &live, &self.clock),
            None => Known::live(&live),
        };
        let recommender = Recommender(Arc::new(Inner {
            parts: Arc::new(self.parts.checked()?),
            settings: self.settings,
            known: Arc::new(known),
            pages: self.pages,
            snapshot: Arc::new(ArcSwap::new(Arc::clone(&self.snapshot))),
            live,
            events: self.events.unwrap_or_else(|| Arc::new(MemoryLog::default())),
            exposures: self.exposures.unwrap_or_else(|| Arc::new(Counted::default())),
            arrivals: Arc::new(Arrivals::new(self.items, self.embedder)),
            clock: self.clock,
            pool: Arc::new(Pool::new(self.threads, self.max_waiting)?),
            swaps: Arc::default(),
        }));
        // The live layer may know from before what is new to this snapshot.
        recommender.put(self.snapshot);
        Ok(recommender)
    }

    /// The parts beside another recommender, which brings everything else: its live layer, events, clock, threads, and
    /// what it knows of users. Pages are kept with those of that one, under a name of their own.
    pub(super) fn build_beside(
        self,
        main: &Recommender,
        name: &str,
        model: Model,
    ) -> Result<Recommender, BuildError> {
        let main = &main.0;
        Ok(Recommender(Arc::new(Inner {
            parts: Arc::new(self.parts.checked()?),
            settings: self.settings,
            known: Arc::clone(&main.known),
            pages: main.pages.as_ref().map(|pages| pages.of_variant(name)),
            snapshot: match model {
                Model::Shared => Arc::clone(&main.snapshot),
                Model::Own => Arc::new(ArcSwap::new(self.snapshot)),
            },
            live: Arc::clone(&main.live),
            events: Arc::clone(&main.events),
            exposures: Arc::clone(&main.exposures),
            arrivals: match model {
                Model::Shared => Arc::clone(&main.arrivals),
                Model::Own => Arc::new(Arrivals::beside()),
            },
            clock: Arc::clone(&main.clock),
            pool: Arc::clone(&main.pool),
            swaps: match model {
                Model::Shared => Arc::clone(&main.swaps),
                Model::Own => Arc::default(),
            },
        })))
    }
}

/// Which snapshot answers in a pipeline beside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// That of the other, whatever takes its place.
    Shared,
    /// One of its own.
    Own,
}
