//! The ids of the latest records: what tells that one arrived before.

use std::collections::{HashSet, VecDeque};

/// A bounded set of ids; the first to come is the first to be forgotten.
#[derive(Debug)]
pub(super) struct Known {
    /// By a hash that clients, who choose ids, cannot foresee.
    ids: HashSet<u128>,
    order: VecDeque<u128>,
    most: usize,
}

impl Known {
    /// Remembers `most` ids, at least one.
    pub(super) fn new(most: usize) -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new(), most: most.max(1) }
    }

    pub(super) fn contains(&self, id: u128) -> bool {
        self.ids.contains(&id)
    }

    pub(super) fn insert(&mut self, id: u128) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        while self.order.len() > self.most {
            self.order.pop_front().iter().for_each(|oldest| {
                self.ids.remove(oldest);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known() {
        let mut known = Known::new(2);
        [1, 2, 2, 3].into_iter().for_each(|id| known.insert(id));
        assert_eq!([1, 2, 3].map(|id| known.contains(id)), [false, true, true]);
    }
}
