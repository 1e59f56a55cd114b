//! Interactions of users with items: the raw log, the sparse matrix, per-user histories.

mod csr;
mod history;
mod tally;
mod users;

pub use csr::Csr;
pub(crate) use history::newest_first;
pub use history::{Histories, Touch};
pub use tally::ActionTally;
pub use users::UserTable;

use crate::event::{Action, ActionWeights, Verdict};
use crate::id::ItemId;
use crate::time::Timestamp;

/// All interactions of a data set as columns, one row per event.
#[derive(Clone, Debug, Default)]
pub struct InteractionLog {
    /// Who; the rows below refer to it.
    pub users: UserTable,
    /// Row of the user in `users`.
    pub user: Vec<u32>,
    /// The item.
    pub item: Vec<ItemId>,
    /// What happened, as a position in `actions`.
    pub action: Vec<u8>,
    /// The distinct actions.
    pub actions: Vec<Action>,
    /// Rating, quantity or amount; NaN when the data has none.
    pub value: Vec<f32>,
    /// When. Data without times has the epoch everywhere; see [`has_times`](Self::has_times).
    pub at: Vec<Timestamp>,
}

impl InteractionLog {
    /// Distinct actions that a log can tell apart.
    pub const MOST_ACTIONS: usize = 1 << u8::BITS;

    /// Number of interactions.
    pub fn len(&self) -> usize {
        self.item.len()
    }

    /// True without interactions.
    pub fn is_empty(&self) -> bool {
        self.item.is_empty()
    }

    /// Whether an interaction of this action can be appended: whether it is known or there is room for one
    /// more.
    pub fn has_room_for(&self, action: &Action) -> bool {
        self.actions.len() < Self::MOST_ACTIONS || self.actions.contains(action)
    }

    /// Appends one interaction.
    ///
    /// # Panics
    ///
    /// Panics at the 257th distinct action; see [`has_room_for`](Self::has_room_for).
    pub fn push(&mut self, user: u32, item: ItemId, action: &Action, value: Option<f32>, at: Timestamp) {
        let code = self.actions.iter().position(|known| known == action).unwrap_or_else(|| {
            self.actions.push(action.clone());
            self.actions.len() - 1
        });
        self.user.push(user);
        self.item.push(item);
        self.action.push(u8::try_from(code).expect("a log has at most 256 distinct actions"));
        self.value.push(value.unwrap_or(f32::NAN));
        self.at.push(at);
    }

    /// Whether any interaction says when it happened.
    pub fn has_times(&self) -> bool {
        self.at.iter().any(|&at| at != Timestamp::default())
    }

    /// First and last moment, unless the log is empty.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((*self.at.iter().min()?, *self.at.iter().max()?))
    }

    /// The rows named, in that order, over the same users.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        fn pick<T: Copy>(column: &[T], rows: &[u32]) -> Vec<T> {
            rows.iter().map(|&row| column[row as usize]).collect()
        }
        Self {
            users: self.users.clone(),
            user: pick(&self.user, rows),
            item: pick(&self.item, rows),
            action: pick(&self.action, rows),
            actions: self.actions.clone(),
            value: pick(&self.value, rows),
            at: pick(&self.at, rows),
        }
    }

    /// What every row means under `weights`, its value considered.
    pub fn verdicts(&self, weights: &ActionWeights) -> impl Iterator<Item = Verdict> + '_ {
        let of = |action| (weights.get(action), weights.at_least(action));
        let by_code: Vec<(f32, f32)> = self.actions.iter().map(of).collect();
        self.action.iter().zip(&self.value).map(move |(&code, &value)| {
            let (weight, at_least) = by_code[code as usize];
            Verdict::new(weight, at_least, value)
        })
    }

    /// Weight of every row under `weights`, its value considered.
    pub fn weights(&self, weights: &ActionWeights) -> Vec<f32> {
        self.verdicts(weights).map(Verdict::weight).collect()
    }

    /// Users x items with summed weights, less those of what was taken back; pairs of no weight are left out.
    ///
    /// `n_items` is the catalogue's length.
    pub fn matrix(&self, n_items: usize, weights: &ActionWeights) -> Csr {
        if self.verdicts(weights).any(Verdict::takes_back) {
            let histories = Histories::from_log(self, weights);
            let of_user =
                |user| histories.of(user).iter().map(move |touch| (user, touch.item.raw(), touch.weight));
            let entries = (0..self.users.len() as u32).flat_map(of_user);
            return Csr::from_entries(self.users.len(), n_items, entries.filter(|entry| entry.2 > 0.0));
        }
        let weight = self.weights(weights);
        let entries = (0..self.len()).filter(|&row| weight[row] > 0.0);
        let entries = entries.map(|row| (self.user[row], self.item[row].raw(), weight[row]));
        Csr::from_entries(self.users.len(), n_items, entries)
    }
}
