//! Who is tested on what.

use super::inputs::{Held, Inputs};
use crate::data::Target;
use reco_core::id::ItemId;
use reco_core::interactions::Histories;
use reco_core::time::Timestamp;
use std::collections::BTreeMap;

/// A user to test. All lists ascend and name nothing twice.
#[derive(Debug, PartialEq)]
pub(super) struct Case {
    pub(super) user: u32,
    pub(super) asked_at: Timestamp,
    /// At least one item.
    pub(super) relevant: Vec<ItemId>,
    /// Not to be ranked.
    pub(super) masked: Vec<ItemId>,
    /// Ranked among these only: the negatives and the relevant items.
    pub(super) among: Option<Vec<ItemId>>,
}

impl Case {
    pub(super) fn is_relevant(&self, item: ItemId) -> bool {
        self.relevant.binary_search(&item).is_ok()
    }

    pub(super) fn is_masked(&self, item: ItemId) -> bool {
        self.masked.binary_search(&item).is_ok()
    }
}

/// All users to test, by ascending row, and how many of the test are not among them.
#[derive(Debug, Default)]
pub(super) struct Cases {
    pub(super) tested: Vec<Case>,
    pub(super) without_relevant: usize,
    pub(super) without_negatives: usize,
}

impl Cases {
    pub(super) fn new(inputs: &Inputs, histories: &Histories, target: Target) -> Self {
        let mut by_user: BTreeMap<u32, Vec<Held>> = BTreeMap::new();
        for &held in &inputs.held {
            by_user.entry(held.user).or_default().push(held);
        }
        let negatives = inputs.negatives.as_ref().map(|pairs| {
            let mut by_user: BTreeMap<u32, Vec<ItemId>> = BTreeMap::new();
            for &(user, item) in pairs {
                by_user.entry(user).or_default().push(item);
            }
            by_user
        });
        let mut cases = Self::default();
        for (user, held) in by_user {
            let masked = match target {
                Target::All => Vec::new(),
                Target::New => ascending(histories.of(user).iter().map(|touch| touch.item).collect()),
            };
            let is_new = |item: &ItemId| masked.binary_search(item).is_err();
            let relevant = ascending(held.iter().map(|held| held.item).filter(is_new).collect());
            if relevant.is_empty() {
                cases.without_relevant += 1;
                continue;
            }
            let among = match &negatives {
                None => None,
                Some(by_user) => {
                    let Some(negatives) = by_user.get(&user) else {
                        cases.without_negatives += 1;
                        continue;
                    };
                    Some(ascending(negatives.iter().chain(&relevant).copied().filter(is_new).collect()))
                }
            };
            let asked_at = held.iter().map(|held| held.asked_at).min().unwrap_or_default();
            cases.tested.push(Case { user, asked_at, relevant, masked, among });
        }
        cases
    }
}

fn ascending(mut items: Vec<ItemId>) -> Vec<ItemId> {
    items.sort_unstable();
    items.dedup();
    items
}
