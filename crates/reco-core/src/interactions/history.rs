//! What each user did with each item, condensed to one record a pair.

use super::InteractionLog;
use crate::event::{Action, ActionWeights};
use crate::id::ItemId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything one user did with one item.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    /// The item.
    pub item: ItemId,
    /// Number of interactions that carry weight.
    pub count: u32,
    /// Their summed weight.
    pub weight: f32,
    /// The first interaction.
    pub first: Timestamp,
    /// The latest interaction.
    pub last: Timestamp,
    /// When the user last bought or rated it, if ever.
    pub consumed: Option<Timestamp>,
    /// The user's last word on it was a dislike or hide.
    pub rejected: bool,
}

impl Touch {
    /// A record of nothing yet.
    pub fn new(item: ItemId, at: Timestamp) -> Self {
        Self { item, count: 0, weight: 0.0, first: at, last: at, consumed: None, rejected: false }
    }

    /// Whether it speaks for the user's taste.
    pub fn is_liked(&self) -> bool {
        !self.rejected && self.weight > 0.0
    }

    /// Adds one interaction. Order does not matter except that the latest verdict counts.
    pub fn add(&mut self, action: &Action, weight: f32, at: Timestamp) {
        let is_latest = at >= self.last;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        if action.is_rejection() {
            self.rejected |= is_latest;
            return;
        }
        if weight > 0.0 {
            self.count += 1;
            self.weight += weight;
            self.rejected &= !is_latest;
        }
        if action.is_consumption() {
            self.consumed = self.consumed.max(Some(at));
        }
    }
}

/// The histories of all users of a snapshot, each newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Histories {
    offsets: Vec<usize>,
    touches: Vec<Touch>,
}

impl Histories {
    /// Condenses a log.
    pub fn from_log(log: &InteractionLog, weights: &ActionWeights) -> Self {
        let weight = log.weights(weights);
        let mut rows: Vec<u32> = (0..log.len() as u32).collect();
        rows.sort_by_key(|&row| {
            let row = row as usize;
            (log.user[row], log.item[row], log.at[row])
        });
        let mut histories = Self { offsets: vec![0], touches: Vec::with_capacity(rows.len() / 2) };
        let mut rows = rows.into_iter().map(|row| row as usize).peekable();
        for user in 0..log.users.len() as u32 {
            let start = histories.touches.len();
            while let Some(row) = rows.next_if(|&row| log.user[row] == user) {
                let (item, at) = (log.item[row], log.at[row]);
                let open = histories.touches.len() > start
                    && histories.touches.last().map(|touch| touch.item) == Some(item);
                if !open {
                    histories.touches.push(Touch::new(item, at));
                }
                if let Some(touch) = histories.touches.last_mut() {
                    touch.add(&log.actions[log.action[row] as usize], weight[row], at);
                }
            }
            newest_first(&mut histories.touches[start..]);
            histories.offsets.push(histories.touches.len());
        }
        histories
    }

    /// The touches of all users, in the order of their rows.
    pub fn touches(&self) -> &[Touch] {
        &self.touches
    }

    /// A user's touches, newest first; empty for a row this snapshot does not have.
    pub fn of(&self, user: u32) -> &[Touch] {
        let user = user as usize;
        match (self.offsets.get(user), self.offsets.get(user + 1)) {
            (Some(&start), Some(&end)) => &self.touches[start..end],
            _ => &[],
        }
    }
}

/// Sorts by latest interaction, newest first; ties by item.
pub(crate) fn newest_first(touches: &mut [Touch]) {
    touches.sort_by(|a, b| b.last.cmp(&a.last).then(a.item.cmp(&b.item)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_condense_and_order() {
        let mut log = InteractionLog::default();
        let (ann, bob) = (log.users.intern("ann"), log.users.intern("bob"));
        let mut add = |user, item, action: Action, secs| {
            log.push(user, ItemId::new(item), &action, None, Timestamp::from_secs(secs));
        };
        add(bob, 7, Action::Purchase, 10);
        add(ann, 3, Action::Purchase, 5);
        add(ann, 3, Action::Purchase, 9);
        add(ann, 4, Action::View, 20);
        add(ann, 4, Action::Hide, 21);
        let histories = Histories::from_log(&log, &ActionWeights::default());
        let [hidden, bought] = histories.of(ann) else { panic!("two items") };
        assert!(hidden.rejected && hidden.consumed.is_none());
        assert_eq!(
            (bought.count, bought.first, bought.last),
            (2, Timestamp::from_secs(5), Timestamp::from_secs(9))
        );
        assert_eq!(histories.of(bob).len(), 1);
        assert!(histories.of(99).is_empty());
    }

    #[test]
    fn a_later_purchase_takes_back_a_rejection() {
        let mut touch = Touch::new(ItemId::new(0), Timestamp::from_secs(1));
        touch.add(&Action::Hide, 0.0, Timestamp::from_secs(2));
        assert!(touch.rejected);
        touch.add(&Action::Purchase, 1.0, Timestamp::from_secs(1));
        assert!(touch.rejected, "an older event changes no verdict");
        touch.add(&Action::Purchase, 1.0, Timestamp::from_secs(3));
        assert!(!touch.rejected);
    }
}
