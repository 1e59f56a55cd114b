//! The way every candidate of one request took, stage by stage.

use crate::candidate::{Candidates, DropCode, KeepMask};
use crate::catalog::Catalog;
use crate::id::{ItemId, ItemKey};
use crate::page::{Move, WhyNot, WhyNotReason};
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// Who was proposed, what each filter dropped and the order after each rule.
///
/// The pipeline writes it as it goes; "why" and "why not" are read from it at the end, so no
/// component has to report what it did.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    proposed: Vec<ItemId>,
    dropped: Vec<(ItemId, Arc<str>, DropCode)>,
    /// The order that ranking gave.
    ranked: Vec<ItemId>,
    steps: Vec<Step>,
    /// The scores of the final order.
    scores: Vec<f32>,
}

/// What one re-ranking rule did.
#[derive(Clone, Debug)]
struct Step {
    rule: Arc<str>,
    /// The order before, with what the rule took out.
    before: Vec<ItemId>,
    /// Items it took out, with their places before.
    removed: Vec<(ItemId, u32)>,
    after: Vec<ItemId>,
}

impl Trail {
    /// Starts with the merged candidates.
    pub fn new(proposed: &[ItemId]) -> Self {
        Self { proposed: proposed.to_vec(), ..Self::default() }
    }

    /// Notes what a filter is about to drop from `ids`.
    pub fn dropped(&mut self, filter: &Arc<str>, ids: &[ItemId], keep: &KeepMask) {
        for (row, &id) in ids.iter().enumerate() {
            if let Some(code) = keep.reason(row) {
                self.dropped.push((id, Arc::clone(filter), code));
            }
        }
    }

    /// Notes the order that ranking gave.
    pub fn ranked(&mut self, set: &Candidates) {
        self.scores = set.scores().to_vec();
        self.ranked = set.ids().to_vec();
        self.steps.clear();
    }

    /// Notes the order after a re-ranking rule.
    pub fn reranked(&mut self, rule: &Arc<str>, set: &Candidates) {
        self.scores = set.scores().to_vec();
        let before = self.last().to_vec();
        let mut removed = Vec::new();
        if set.len() < before.len() {
            let stayed: FxHashSet<ItemId> = set.ids().iter().copied().collect();
            let gone = before.iter().zip(1..).filter(|(id, _)| !stayed.contains(id));
            removed = gone.map(|(&id, place)| (id, place)).collect();
        }
        self.steps.push(Step { rule: Arc::clone(rule), before, removed, after: set.ids().to_vec() });
    }

    /// The order after the latest step.
    fn last(&self) -> &[ItemId] {
        self.steps.last().map_or(&self.ranked, |step| &step.after)
    }

    /// The rules that changed an item's place, be it by taking out what stood before it.
    pub fn moves(&self, item: ItemId) -> Vec<Move> {
        let moved = |step: &Step| {
            let (from, to) = (place(&step.before, item)?, place(&step.after, item)?);
            (from != to).then(|| Move { rule: Arc::clone(&step.rule), from, to })
        };
        self.steps.iter().filter_map(moved).collect()
    }

    /// How many items each filter and rule took out, in the order in which they did.
    pub fn taken(&self) -> Vec<(&Arc<str>, usize)> {
        let mut taken: Vec<(&Arc<str>, usize)> = Vec::new();
        let filtered = self.dropped.iter().map(|(_, filter, _)| (filter, 1));
        let removed = self.steps.iter().map(|step| (&step.rule, step.removed.len()));
        for (part, n_items) in filtered.chain(removed).filter(|(_, n_items)| *n_items > 0) {
            match taken.iter_mut().find(|(known, _)| *known == part) {
                Some((_, count)) => *count += n_items,
                None => taken.push((part, n_items)),
            }
        }
        taken
    }

    /// What kept an item off a page that shows the first `n_shown` of the final order.
    /// `words` turns a filter's name and code into its reason.
    pub fn why_not(
        &self,
        item: &ItemKey,
        catalog: &Catalog,
        n_shown: usize,
        words: &dyn Fn(&str, DropCode) -> String,
    ) -> WhyNot {
        let reason = match catalog.id(item.as_str()) {
            None => WhyNotReason::UnknownItem,
            Some(id) => self.reason(id, n_shown, words),
        };
        WhyNot { item: item.clone(), reason }
    }

    fn reason(&self, id: ItemId, n_shown: usize, words: &dyn Fn(&str, DropCode) -> String) -> WhyNotReason {
        if let Some((_, filter, code)) = self.dropped.iter().find(|(dropped, ..)| *dropped == id) {
            return WhyNotReason::Filtered { filter: Arc::clone(filter), because: words(filter, *code) };
        }
        if !self.proposed.contains(&id) {
            return WhyNotReason::NeverProposed;
        }
        if let Some(rank) = place(self.last(), id) {
            let row = rank as usize - 1;
            if row < n_shown {
                return WhyNotReason::Shown { rank };
            }
            let needed =
                n_shown.checked_sub(1).and_then(|last| self.scores.get(last)).copied().unwrap_or(0.0);
            return WhyNotReason::Outranked { rank, score: self.scores[row], needed };
        }
        let removed = self.steps.iter().find_map(|step| {
            let (_, rank) = step.removed.iter().find(|(removed, _)| *removed == id)?;
            Some(WhyNotReason::Removed { rule: Arc::clone(&step.rule), rank: *rank })
        });
        removed.unwrap_or(WhyNotReason::NeverProposed)
    }
}

/// Place in an order, 1 for the best.
fn place(order: &[ItemId], item: ItemId) -> Option<u32> {
    order.iter().zip(1..).find_map(|(&id, place)| (id == item).then_some(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ItemRecord;

    fn set(ids: &[u32]) -> Candidates {
        let mut set = Candidates::new(Arc::from([]));
        for (&id, place) in ids.iter().zip(0u8..) {
            set.append(ItemId::new(id), -f32::from(place));
        }
        set
    }

    #[test]
    fn every_absence_has_its_reason() {
        let mut builder = Catalog::builder();
        for key in ["a", "b", "c", "d", "e", "f"] {
            builder.push(ItemRecord::new(key)).unwrap();
        }
        let catalog = builder.build();
        let all = [0, 1, 2, 3, 4].map(ItemId::new);
        let mut trail = Trail::new(&all);
        let mut keep = KeepMask::all(5);
        keep.drop_row(4, 3);
        trail.dropped(&"stock".into(), &all, &keep);
        trail.ranked(&set(&[0, 1, 2, 3]));
        trail.reranked(&"cap".into(), &set(&[0, 2, 3]));
        trail.reranked(&"boost".into(), &set(&[0, 3, 2]));
        let words = |filter: &str, code| format!("{filter} {code}");
        let why_not = |key: &str| trail.why_not(&key.into(), &catalog, 2, &words).reason;
        assert_eq!(why_not("zzz"), WhyNotReason::UnknownItem);
        assert_eq!(why_not("a"), WhyNotReason::Shown { rank: 1 });
        assert_eq!(why_not("b"), WhyNotReason::Removed { rule: "cap".into(), rank: 2 });
        assert_eq!(why_not("c"), WhyNotReason::Outranked { rank: 3, score: -2.0, needed: -1.0 });
        assert_eq!(
            why_not("e"),
            WhyNotReason::Filtered { filter: "stock".into(), because: "stock 3".into() }
        );
        assert_eq!(why_not("f"), WhyNotReason::NeverProposed);
        let moved = |rule: &str, from, to| Move { rule: rule.into(), from, to };
        assert_eq!(trail.moves(ItemId::new(3)), [moved("cap", 4, 3), moved("boost", 3, 2)]);
        assert_eq!(trail.moves(ItemId::new(0)), []);
    }
}
