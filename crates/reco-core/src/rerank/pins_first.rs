//! Caps that count pinned items first, and those that are new.

use super::slots::{SlotConfig, chosen};
use super::{Pinned, Reranker};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::id::ItemId;
use crate::query::Query;
use rustc_hash::FxHashMap;

/// Runs a rule that only drops rows as if the pinned items stood on top, and below them what is new, so that it keeps
/// them before others of their kind. What is left stands in the order it came in; the pins are set afterwards, and
/// nothing that leaves later can shift them out of their places.
#[derive(Debug)]
pub(super) struct PinsFirst<R> {
    pub(super) rule: R,
    pub(super) pins: Pinned,
    pub(super) slots: Option<SlotConfig>,
}

impl<R: Reranker> Reranker for PinsFirst<R> {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
        let came: FxHashMap<ItemId, u32> = set.ids().iter().copied().zip(0..).collect();
        let mut top: Vec<u32> = Vec::new();
        let new = chosen(query, set, self.slots, want);
        for id in self.pins.active(query).map(|(_, id)| id).chain(new) {
            top.extend(came.get(&id).copied().filter(|row| !top.contains(row)));
        }
        if top.is_empty() {
            return self.rule.rerank(query, set, want);
        }
        let others = (0..set.len() as u32).filter(|row| !top.contains(row));
        let order: Vec<u32> = top.iter().copied().chain(others).collect();
        set.select(&order);
        self.rule.rerank(query, set, want)?;
        let mut rows: Vec<u32> = (0..set.len() as u32).collect();
        rows.sort_unstable_by_key(|&row| came[&set.ids()[row as usize]]);
        set.select(&rows);
        Ok(())
    }
}
