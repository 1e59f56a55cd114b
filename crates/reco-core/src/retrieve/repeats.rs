//! Which items people come back to.

use crate::id::ItemId;
use crate::interactions::{Histories, Touch};

/// How readily an item is taken again, against the ordinary item.
///
/// Milk is bought weekly and a pan once, whatever one user's own record says: the share of an item's
/// takers who took it more than once is the strongest sign beside that record ("repeat customer
/// probability", Bhagat et al., "Buy It Again", KDD 2018). It is derived from a snapshot's histories,
/// so no file needs to carry it. Every interaction with weight counts, whatever its action.
#[derive(Clone, Debug, Default)]
pub struct Repeats {
    /// log2 of each item's share over the ordinary one.
    log_ratios: Vec<f32>,
}

impl Repeats {
    /// The snapshot's name for it.
    pub const NAME: &'static str = "repeats";

    /// Takers of the ordinary item that every item is given beside its own, so that a single one who
    /// came back proves little.
    const PRIOR_TAKERS: f32 = 5.0;

    /// Counts the takers of `n_items` items.
    pub fn of(histories: &Histories, n_items: usize) -> Self {
        let mut takers = vec![(0u32, 0u32); n_items];
        for touch in histories.touches().iter().filter(|touch| is_taken(touch)) {
            if let Some((all, again)) = takers.get_mut(touch.item.index()) {
                *all += 1;
                *again += u32::from(touch.count > 1);
            }
        }
        let sums = takers
            .iter()
            .fold((0u64, 0u64), |sums, &(all, again)| (sums.0 + u64::from(all), sums.1 + u64::from(again)));
        if sums.1 == 0 {
            return Self::default();
        }
        let ordinary = sums.1 as f32 / sums.0 as f32;
        let log_ratio = |&(all, again): &(u32, u32)| {
            let share = (again as f32 + ordinary * Self::PRIOR_TAKERS) / (all as f32 + Self::PRIOR_TAKERS);
            (share / ordinary).log2()
        };
        Self { log_ratios: takers.iter().map(log_ratio).collect() }
    }

    /// log2 of the share of the item's takers who took it again over that of the ordinary item: 0 for the
    /// ordinary item, for one that nobody took and for one that is not known.
    pub fn log_ratio(&self, item: ItemId) -> f32 {
        self.log_ratios.get(item.index()).copied().unwrap_or(0.0)
    }
}

/// Whether the user had the item, rather than only looked at it.
pub(super) fn is_taken(touch: &Touch) -> bool {
    touch.consumed.is_some() && touch.count > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, ActionWeights};
    use crate::interactions::InteractionLog;
    use crate::time::Timestamp;

    /// Repeats over (user, item, how often).
    fn repeats(taken: &[(&str, u32, u32)]) -> Repeats {
        let mut log = InteractionLog::default();
        for &(user, item, times) in taken {
            let user = log.users.intern(user);
            for turn in 0..times {
                let at = Timestamp::from_secs(i64::from(turn));
                log.push(user, ItemId::new(item), &Action::Purchase, None, at);
            }
        }
        Repeats::of(&Histories::from_log(&log, &ActionWeights::default()), 4)
    }

    #[test]
    fn equals_the_formula() {
        // Item 0: both come back; item 1: nobody of two; item 2: one of one. Ordinary: 3 of 5.
        let repeats = repeats(&[("ann", 0, 3), ("bob", 0, 2), ("ann", 1, 1), ("bob", 1, 1), ("cid", 2, 9)]);
        let want = [(2.0 + 3.0) / 7.0, (0.0 + 3.0) / 7.0, (1.0 + 3.0) / 6.0, 0.6];
        for (item, share) in (0..).zip(want) {
            let got = repeats.log_ratio(ItemId::new(item));
            assert!((got - (share / 0.6f32).log2()).abs() < 1e-5, "item {item}: {got}");
        }
        assert!(repeats.log_ratio(ItemId::new(99)).abs() < 1e-9, "not known");
    }

    #[test]
    fn where_nobody_comes_back_all_items_are_ordinary() {
        let ordinary = |taken| repeats(taken).log_ratio(ItemId::new(0)).abs() < 1e-9;
        assert!(ordinary(&[("ann", 0, 1), ("bob", 1, 1)]));
        assert!(ordinary(&[]));
    }
}
