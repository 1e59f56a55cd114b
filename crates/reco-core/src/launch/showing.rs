//! New items on one page: who may be on it, and what that costs.

use super::{Counted, Counts, ExposureBudget, LaunchConfig, Stage};
use crate::id::ItemKey;
use parking_lot::Mutex;
use std::sync::Arc;

/// What a request may show of new items, and what it has reserved of their budgets. What is reserved and not
/// [spent](Self::spend) goes back when the request ends: a page that nobody gets costs nothing.
#[derive(Debug)]
pub struct Showing {
    config: Arc<LaunchConfig>,
    budget: Arc<dyn ExposureBudget>,
    /// What was asked for, and whether it was granted.
    asked: Mutex<Vec<(ItemKey, Reserved)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reserved {
    /// There was nothing left.
    Nothing,
    /// To be put back unless it is spent.
    One,
    /// The stage has no budget.
    Free,
}

impl Default for Showing {
    fn default() -> Self {
        Self::new(Arc::default(), Arc::new(Counted::default()))
    }
}

impl Showing {
    /// Of a request under these rules.
    pub fn new(config: Arc<LaunchConfig>, budget: Arc<dyn ExposureBudget>) -> Self {
        Self { config, budget, asked: Mutex::default() }
    }

    /// Where an item stands after these events.
    pub fn stage(&self, counts: Counts) -> Stage {
        self.config.stage(counts)
    }

    /// The share of users who are shown an item that stands here.
    pub fn share_of(&self, stage: Stage) -> f64 {
        self.config.share_of(stage)
    }

    /// Reserves one exposure of an item for this request, whoever of its stages asks and however often.
    pub fn reserve(&self, item: &ItemKey, stage: Stage) -> bool {
        let mut asked = self.asked.lock();
        let known = asked.iter().find(|(known, _)| known == item).map(|(_, reserved)| *reserved);
        let reserved = known.unwrap_or_else(|| {
            let reserved = match self.config.budget_of(stage) {
                None => Reserved::Free,
                Some(limit) if self.budget.take(item, limit) => Reserved::One,
                Some(_) => Reserved::Nothing,
            };
            asked.push((item.clone(), reserved));
            reserved
        });
        reserved != Reserved::Nothing
    }

    /// Notes that these items are on a page that somebody gets.
    pub fn spend(&self, items: &[ItemKey]) {
        let mut asked = self.asked.lock();
        let shown = asked.iter_mut().filter(|(item, _)| items.contains(item));
        // What is spent need not be put back.
        shown
            .filter(|(_, reserved)| *reserved == Reserved::One)
            .for_each(|(_, reserved)| *reserved = Reserved::Free);
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        let asked = self.asked.get_mut();
        let unspent = asked.iter().filter(|(_, reserved)| *reserved == Reserved::One);
        unspent.for_each(|(item, _)| self.budget.put_back(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_nobody_gets_costs_nothing() {
        let budget: Arc<dyn ExposureBudget> = Arc::new(Counted::default());
        let config = Arc::new(LaunchConfig { budget: Some(2), impressions: 1, ..LaunchConfig::default() });
        let request = || Showing::new(Arc::clone(&config), Arc::clone(&budget));
        let tea = ItemKey::from("tea");
        for _ in 0..10 {
            let unseen = request();
            assert!(unseen.reserve(&tea, Stage::Trial) && unseen.reserve(&tea, Stage::Trial));
        }
        for is_granted in [true, true, false, false] {
            let seen = request();
            assert_eq!(seen.reserve(&tea, Stage::Trial), is_granted);
            seen.spend(&[tea.clone(), "jam".into()]);
            seen.spend(std::slice::from_ref(&tea));
        }
        assert!(!request().reserve(&tea, Stage::Retired));
        assert!(request().reserve(&tea, Stage::Promoted), "it has no bound");
    }
}
