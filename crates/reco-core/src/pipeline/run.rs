//! One request's computing: its generators, whoever goes on with what they found, and what fills its page.

use super::guarded::guarded;
use super::ladder;
use super::merge::Merge;
use super::parts::{Parts, Policed};
use super::stages::Stages;
use crate::candidate::{Candidates, Hits};
use crate::error::{Fault, FaultKind, RecommendError, Rung};
use crate::page::Page;
use crate::query::Query;
use crate::rerank::launched_for;
use parking_lot::Mutex;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The state of one request between its stages.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) parts: Arc<Parts>,
    pub(super) query: Arc<Query>,
    /// One slot per source: what it proposed, why it could not, or nothing yet.
    pub(super) found: Mutex<Vec<Option<Result<Hits, Fault>>>>,
    /// Set by whoever goes on from the candidates; late generators find it set and are ignored.
    claimed: AtomicBool,
}

impl Run {
    /// `arrived`: what remote generators have answered so far, by source number.
    pub(super) fn new(
        parts: Arc<Parts>,
        query: Arc<Query>,
        arrived: Vec<(usize, Result<Hits, Fault>)>,
    ) -> Self {
        let mut found: Vec<_> = parts.source_names.iter().map(|_| None).collect();
        for (source, hits) in arrived {
            found[source] = Some(hits);
        }
        Self { parts, query, found: Mutex::new(found), claimed: AtomicBool::new(false) }
    }

    /// Runs the local generators; each leaves its result as soon as it has one.
    pub(super) fn retrieve(&self, parallel: bool) {
        let sources: Vec<_> = self.parts.local(&self.query.request.surface).collect();
        let generate = |&(number, source, quota): &(usize, &super::parts::Source<_>, usize)| {
            let hits = self.generate(&source.policed, quota);
            // The slots are gone once the stages have gone on; then the result comes too late.
            if let Some(slot) = self.found.lock().get_mut(number) {
                *slot = Some(hits);
            }
        };
        if parallel {
            sources.par_iter().with_max_len(1).for_each(generate);
        } else {
            sources.iter().for_each(generate);
        }
    }

    fn generate(
        &self,
        source: &Policed<dyn crate::retrieve::CandidateGenerator>,
        quota: usize,
    ) -> Result<Hits, Fault> {
        if self.query.retrieval.is_spent() {
            return Err(Fault::new(Arc::clone(&source.name), FaultKind::Timeout));
        }
        // Most of what a source proposes may not match the filter asked for, so it is asked for more.
        let quota = if self.query.request.filter.is_some() { quota * Self::WIDER } else { quota };
        guarded(&source.name, || {
            let mut hits = Hits::default();
            source.part.generate(&self.query, quota, &mut hits)?;
            hits.ids.truncate(quota);
            hits.scores.truncate(quota);
            Ok(hits)
        })
    }

    /// Times its quota that a source may propose where the request filters.
    const WIDER: usize = 8;

    /// Fillers looked at in one go: enough for caps over a whole catalogue's categories.
    const MOST_FILLERS: usize = 16_384;

    /// True for the first caller only: the one to go on with the stages after retrieval.
    pub(super) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// The candidates that all filters let through, in merged order: what a ranker is given.
    pub(super) fn candidates(&self, faults: Vec<Fault>) -> Result<Candidates, RecommendError> {
        let mut stages = Stages::new(self, faults);
        let mut set = stages.merge()?.set().clone();
        stages.filter(&mut set)?;
        stages.assess(&mut set)?;
        set.sort();
        Ok(set)
    }

    /// Everything after retrieval, from whatever candidates there are.
    pub(super) fn finish(&self, faults: Vec<Fault>) -> Result<Page, RecommendError> {
        let mut stages = Stages::new(self, faults);
        let (merge, set) = self.arranged(&mut stages)?;
        if set.is_empty() && self.query.budget.is_spent() {
            return ladder::static_page(&self.parts, &self.query, stages.into_faults());
        }
        stages.judge_unproposed(&merge)?;
        Ok(stages.page(&set))
    }

    /// What a page is cut from: all that filters and rules leave, in their order.
    pub(super) fn ordered(&self, faults: Vec<Fault>) -> Result<Candidates, RecommendError> {
        Ok(self.arranged(&mut Stages::new(self, faults))?.1)
    }

    /// All that was looked at, and what of it is left in the order of the page.
    fn arranged(&self, stages: &mut Stages<'_>) -> Result<(Merge, Candidates), RecommendError> {
        let mut merge = stages.merge()?;
        let want = self.query.request.count;
        let is_personal = !merge.set().is_empty();
        // What is new is proposed by nobody: a slot brings it on a page.
        merge.fill(&launched_for(&self.query));
        let mut set = stages.arrange(merge.set().clone())?;
        // Filters and rules may leave the page short. What is popular fills it, ever more of it as long as
        // rules still take it away again.
        let mut popular = ladder::popular_items(&self.query);
        let mut more = 4 * want.max(8);
        while set.len() < want && more <= Self::MOST_FILLERS && !self.query.budget.is_spent() {
            let mut unproposed = popular.by_ref().filter(|id| !merge.contains(*id));
            let in_time = || !self.query.budget.is_spent();
            let admitted =
                ladder::admitted(&mut unproposed, more, in_time, |set| stages.filter_fillers(set))?;
            if merge.fill(&admitted) == 0 {
                break;
            }
            if !is_personal {
                stages.step_down(Rung::Popular);
            }
            set = stages.arrange(merge.set().clone())?;
            more *= 4;
        }
        if set.len() < want && !self.query.budget.is_spent() {
            merge.mark_all();
            set = stages.arrange(merge.set().clone())?;
        }
        Ok((merge, set))
    }
}
