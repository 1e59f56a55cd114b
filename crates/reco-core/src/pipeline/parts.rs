//! The parts of a pipeline as registered, each with its policy.

use super::BuildError;
use crate::error::OnFault;
use crate::filter::Filter;
use crate::launch::LaunchConfig;
use crate::rank::Ranker;
use crate::request::Surface;
use crate::rerank::{Explore, Reranker};
use crate::retrieve::{CandidateGenerator, RemoteGenerator};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything a request runs through; plain data, filled in by the builder and [checked](Self::checked) once it is there.
#[derive(Debug)]
pub(super) struct Parts {
    /// Local generators first, then remote ones: the position is the source number of a candidate.
    pub(super) generators: Vec<Source<dyn CandidateGenerator>>,
    pub(super) remotes: Vec<Source<dyn RemoteGenerator>>,
    pub(super) source_names: Arc<[Arc<str>]>,
    pub(super) filters: Vec<Policed<dyn Filter>>,
    /// From the best to the cheapest.
    pub(super) rankers: Vec<Policed<dyn Ranker>>,
    pub(super) rerankers: Vec<Policed<dyn Reranker>>,
    /// That of the rules which fills places by chance.
    pub(super) explore: Option<Arc<Explore>>,
    pub(super) limits: Limits,
    /// How items that are new are introduced.
    pub(super) launch: Arc<LaunchConfig>,
}

/// A part, the name it is known by and what its failure means.
#[derive(Debug)]
pub(super) struct Policed<P: ?Sized> {
    pub(super) name: Arc<str>,
    pub(super) part: Arc<P>,
    pub(super) on_fault: OnFault,
}

/// A generator with its quotas.
#[derive(Debug)]
pub(super) struct Source<P: ?Sized> {
    pub(super) policed: Policed<P>,
    pub(super) quotas: Quotas,
    /// Weight of its votes when lists are merged.
    pub(super) weight: f32,
}

/// How many candidates a generator may propose, per surface.
///
/// ```
/// use reco_core::pipeline::Quotas;
///
/// let quotas = Quotas::everywhere(50).on("similar", 0);
/// assert_eq!((quotas.get("home"), quotas.get("similar")), (50, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    elsewhere: usize,
    by_surface: BTreeMap<Arc<str>, usize>,
}

impl Quotas {
    /// The same quota on every surface.
    pub fn everywhere(quota: usize) -> Self {
        Self { elsewhere: quota, by_surface: BTreeMap::new() }
    }

    /// Another quota on one surface; 0 switches the generator off there.
    #[must_use]
    pub fn on(mut self, surface: &str, quota: usize) -> Self {
        self.by_surface.insert(surface.into(), quota);
        self
    }

    /// The quota on a surface, by [`Surface::name`].
    pub fn get(&self, surface: &str) -> usize {
        self.by_surface.get(surface).copied().unwrap_or(self.elsewhere)
    }
}

/// Bounds of one request.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Time for the whole request unless it brings its own.
    pub(super) deadline: Duration,
    /// Share of that for features and remote generators.
    pub(super) waiting_share: f64,
    /// Share of it by which candidates must be there; a generator still running then is left behind.
    pub(super) retrieval_share: f64,
    /// Most items a request may ask for.
    pub(super) max_count: usize,
    /// Longest lists (exclusions, session items, why-not) a request may bring.
    pub(super) max_list: usize,
}

impl Parts {
    /// Nothing yet.
    pub(super) fn none(limits: Limits) -> Self {
        Self {
            generators: Vec::new(),
            remotes: Vec::new(),
            source_names: Arc::default(),
            filters: Vec::new(),
            rankers: Vec::new(),
            rerankers: Vec::new(),
            explore: None,
            limits,
            launch: Arc::default(),
        }
    }

    /// The parts, if they go together.
    pub(super) fn checked(self) -> Result<Self, BuildError> {
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
        Ok(Self { source_names, ..self })
    }

    /// Local generators in use on a surface, with their source numbers and quotas.
    pub(super) fn local(
        &self,
        surface: &Surface,
    ) -> impl Iterator<Item = (usize, &Source<dyn CandidateGenerator>, usize)> {
        in_use(&self.generators, surface.name(), 0)
    }

    /// Remote generators in use on a surface, likewise.
    pub(super) fn remote(
        &self,
        surface: &Surface,
    ) -> impl Iterator<Item = (usize, &Source<dyn RemoteGenerator>, usize)> {
        in_use(&self.remotes, surface.name(), self.generators.len())
    }

    /// Whether places are filled by chance.
    pub(super) fn explores(&self) -> bool {
        self.explore.is_some()
    }

    /// Weight and policy of a source by number.
    pub(super) fn source(&self, number: usize) -> (f32, OnFault) {
        if let Some(source) = self.generators.get(number) {
            return (source.weight, source.policed.on_fault);
        }
        let source = &self.remotes[number - self.generators.len()];
        (source.weight, source.policed.on_fault)
    }
}

fn in_use<'a, P: ?Sized>(
    sources: &'a [Source<P>],
    surface: &'static str,
    first: usize,
) -> impl Iterator<Item = (usize, &'a Source<P>, usize)> {
    let numbered = sources.iter().enumerate();
    numbered
        .map(move |(i, source)| (first + i, source, source.quotas.get(surface)))
        .filter(|(_, _, quota)| *quota > 0)
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
