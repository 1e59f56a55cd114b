//! The stages after retrieval: merging, filters, ranking, page rules, and the page with its reasons.

use super::guarded::guarded;
use super::merge::Merge;
use super::parts::Policed;
use super::run::Run;
use crate::candidate::{Candidates, KeepMask};
use crate::error::{Fault, FaultKind, OnFault, RecommendError, Rung};
use crate::explain::Trail;
use crate::id::ItemId;
use crate::page::{Page, PageItem};
use crate::request::Surface;
use crate::rerank::{Reranker, forget_draw, place_among_new, propensity};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stages after retrieval and what they noted.
pub(super) struct Stages<'a> {
    run: &'a Run,
    faults: Vec<Fault>,
    rung: Rung,
    trail: Trail,
    /// Local generators that have answered, by source number: the others are not asked for more.
    answered: Vec<bool>,
    /// How many items that might have filled the page each filter kept off it.
    withheld: BTreeMap<Arc<str>, usize>,
}

impl<'a> Stages<'a> {
    pub(super) fn new(run: &'a Run, faults: Vec<Fault>) -> Self {
        let answered = vec![false; run.parts.generators.len()];
        Self { run, faults, rung: Rung::Full, trail: Trail::default(), answered, withheld: BTreeMap::new() }
    }

    pub(super) fn step_down(&mut self, rung: Rung) {
        self.rung = self.rung.max(rung);
    }

    /// Applies a part's policy to its fault.
    fn absorb(&mut self, fault: Fault, on_fault: OnFault) -> Result<(), RecommendError> {
        if on_fault == OnFault::Fail {
            return Err(fault.into());
        }
        if !self.faults.iter().any(|known| known.component == fault.component && known.kind == fault.kind) {
            self.faults.push(fault);
        }
        Ok(())
    }

    /// One set out of all lists. A source without a result is late; one whose policy is to step
    /// down takes all personal candidates with it.
    pub(super) fn merge(&mut self) -> Result<Merge, RecommendError> {
        let Run { parts, query, found, .. } = self.run;
        let mut found = std::mem::take(&mut *found.lock());
        let surface = &query.request.surface;
        let local =
            parts.local(surface).map(|(number, source, _)| (number, Arc::clone(&source.policed.name)));
        let remote =
            parts.remote(surface).map(|(number, source, _)| (number, Arc::clone(&source.policed.name)));
        let mut merge = Merge::new(Arc::clone(&parts.source_names));
        let mut stepped_down = false;
        for (number, name) in local.chain(remote) {
            let (weight, on_fault) = parts.source(number);
            match found.get_mut(number).and_then(Option::take) {
                Some(Ok(hits)) => {
                    merge.add(number, weight, &hits);
                    self.answered.iter_mut().skip(number).take(1).for_each(|answered| *answered = true);
                }
                outcome => {
                    let fault = match outcome {
                        Some(Err(fault)) => fault,
                        _ => Fault::new(name, FaultKind::Timeout),
                    };
                    stepped_down |= on_fault == OnFault::StepDown;
                    self.absorb(fault, on_fault)?;
                }
            }
        }
        if stepped_down {
            self.step_down(Rung::Popular);
            merge = Merge::new(Arc::clone(&parts.source_names));
        }
        Ok(merge)
    }

    /// Lets the filters say what they think of items asked about that no source proposed.
    pub(super) fn judge_unproposed(&mut self, merge: &Merge) -> Result<(), RecommendError> {
        let query = &*self.run.query;
        let asked = query.request.why_not.iter().filter_map(|key| query.snapshot.catalog.id(key.as_str()));
        let mut block = Merge::new(Arc::default());
        block.fill(&asked.filter(|id| !merge.contains(*id)).collect::<Vec<_>>());
        self.filter(&mut block.set().clone())
    }

    /// Filter, assess, rank, re-rank.
    pub(super) fn arrange(&mut self, mut set: Candidates) -> Result<Candidates, RecommendError> {
        self.trail = Trail::new(set.ids());
        self.filter(&mut set)?;
        self.assess(&mut set)?;
        self.rank(&mut set)?;
        self.rerank(&mut set)?;
        Ok(set)
    }

    /// Filters items that might fill the page. Most are looked at in vain, so only their number is kept.
    pub(super) fn filter_fillers(&mut self, set: &mut Candidates) -> Result<(), RecommendError> {
        let trail = std::mem::take(&mut self.trail);
        let filtered = self.filter(set);
        for (filter, n_items) in std::mem::replace(&mut self.trail, trail).taken() {
            *self.withheld.entry(Arc::clone(filter)).or_default() += n_items;
        }
        filtered
    }

    pub(super) fn filter(&mut self, set: &mut Candidates) -> Result<(), RecommendError> {
        let query = &*self.run.query;
        for filter in &self.run.parts.filters {
            let mut keep = KeepMask::all(set.len());
            match guarded(&filter.name, || filter.part.apply(query, set, &mut keep)) {
                Ok(()) => {
                    self.trail.dropped(&filter.name, set.ids(), &keep);
                    set.retain(&keep);
                }
                Err(fault) => {
                    if filter.on_fault == OnFault::StepDown {
                        self.step_down(Rung::Popular);
                    }
                    self.absorb(fault, filter.on_fault)?;
                }
            }
        }
        Ok(())
    }

    /// Asks the local generators what they think of all that was proposed, for as long as there is time; of one that
    /// is not asked or fails, its own hits speak. What only fills a page is judged by nobody.
    pub(super) fn assess(&mut self, set: &mut Candidates) -> Result<(), RecommendError> {
        let Run { parts, query, .. } = self.run;
        let rows = set.proposed();
        let items: Vec<ItemId> = rows.iter().map(|&row| set.ids()[row as usize]).collect();
        let mut scores = vec![f32::NAN; items.len()];
        let asked = parts.local(&query.request.surface).filter(|(number, ..)| self.answered[*number]);
        for (number, source, _) in asked.collect::<Vec<_>>() {
            if items.is_empty() || query.budget.is_spent() {
                break;
            }
            scores.fill(f32::NAN);
            let Policed { name, part, on_fault } = &source.policed;
            match guarded(name, || part.assess(query, &items, &mut scores)) {
                Ok(()) => set.assess(number, &rows, &scores),
                Err(fault) => self.absorb(fault, *on_fault)?,
            }
        }
        Ok(())
    }

    fn rank(&mut self, set: &mut Candidates) -> Result<(), RecommendError> {
        let query = &*self.run.query;
        let mut rung = Rung::CandidateScores;
        // By merged score first: what the ranker finds equal, such as items no source proposed, stays so.
        set.sort();
        let mut scores = vec![0.0; set.len()];
        for (step, ranker) in self.run.parts.rankers.iter().enumerate() {
            let outcome = if query.budget.is_spent() {
                Err(Fault::new(Arc::clone(&ranker.name), FaultKind::Timeout))
            } else {
                scores.fill(0.0);
                guarded(&ranker.name, || ranker.part.score(query, set, &mut scores))
            };
            match outcome {
                Ok(()) => {
                    set.scores_mut().copy_from_slice(&scores);
                    rung = if step == 0 { Rung::Full } else { Rung::RuleRanked };
                    break;
                }
                Err(fault) => self.absorb(fault, ranker.on_fault)?,
            }
        }
        self.step_down(rung);
        set.sort_stably();
        self.trail.ranked(set);
        Ok(())
    }

    fn rerank(&mut self, set: &mut Candidates) -> Result<(), RecommendError> {
        // A draw that is not made this time must not speak for the page.
        forget_draw(&self.run.query);
        for rule in &self.run.parts.rerankers {
            match self.apply(rule, set) {
                Ok(next) => {
                    *set = next;
                    self.trail.reranked(&rule.name, set);
                }
                Err(fault) => self.absorb(fault, rule.on_fault)?,
            }
        }
        Ok(())
    }

    /// The set after one rule. Rules whose policy is to skip are skipped when time is up;
    /// the others (caps, say) always run: without them the page would be wrong, not just plainer.
    fn apply(&self, rule: &Policed<dyn Reranker>, set: &Candidates) -> Result<Candidates, Fault> {
        let query = &*self.run.query;
        if rule.on_fault == OnFault::Skip && query.budget.is_spent() {
            return Err(Fault::new(Arc::clone(&rule.name), FaultKind::Timeout));
        }
        let mut next = set.clone();
        guarded(&rule.name, || rule.part.rerank(query, &mut next, query.request.count))?;
        Ok(next)
    }

    /// Why a page of `n_shown` items is a short one, if it is.
    fn shortage(&self, n_shown: usize) -> Option<String> {
        let query = &*self.run.query;
        let count = query.request.count;
        if n_shown >= count {
            return None;
        }
        let mut taken = self.withheld.clone();
        for (part, n_items) in self.trail.taken() {
            *taken.entry(Arc::clone(part)).or_default() += n_items;
        }
        let mut reasons: Vec<String> =
            taken.iter().map(|(part, n_items)| format!("`{part}` took {n_items} out")).collect();
        if matches!(query.request.surface, Surface::Similar(_)) && !query.categories().is_empty() {
            reasons.push("only items of the same category fill a page of similar ones".to_owned());
        }
        if query.budget.is_spent() {
            reasons.push("time ran out".to_owned());
        }
        if reasons.is_empty() {
            reasons.push("there are no more".to_owned());
        }
        Some(format!("{n_shown} of the {count} items asked for: {}", reasons.join(", ")))
    }

    /// What went wrong so far.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(super) fn page(mut self, set: &Candidates) -> Page {
        let query = &*self.run.query;
        let request = &*query.request;
        let catalog = &query.snapshot.catalog;
        let n_shown = set.len().min(request.count);
        let explores = self.run.parts.explores();
        let items = (0..n_shown).map(|row| {
            let id = set.ids()[row];
            let why =
                request.explain.then(|| super::reasons::why(&self.run.parts, query, set, row, &self.trail));
            PageItem {
                id,
                key: catalog.key(id).clone(),
                rank: row as u32 + 1,
                score: set.scores()[row],
                // What is not left to chance could not be otherwise.
                propensity: explores.then(|| propensity(query, id).unwrap_or(1.0)),
                why,
            }
        });
        let items: Vec<PageItem> = items.collect();
        let is_introduced = |item: &&PageItem| place_among_new(query, item.id).is_some();
        let introduced = items.iter().filter(is_introduced).map(|item| item.key.clone()).collect();
        let filters = &self.run.parts.filters;
        let words = |name: &str, code| {
            let filter = filters.iter().find(|filter| &*filter.name == name);
            filter.map_or_else(String::new, |filter| filter.part.reason(code))
        };
        let why_not =
            request.why_not.iter().map(|key| self.trail.why_not(key, catalog, n_shown, &words)).collect();
        let faults = std::mem::take(&mut self.faults);
        let snapshot = Arc::clone(&query.snapshot.version);
        let mut remarks = query.remarks();
        remarks.extend(self.shortage(n_shown));
        Page {
            items,
            why_not,
            rung: self.rung,
            faults,
            remarks,
            at: query.now,
            snapshot,
            introduced,
            found: None,
        }
    }
}
