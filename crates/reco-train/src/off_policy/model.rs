//! What rewards are to be expected, from what other users did.

use super::Logged;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};

/// Parts of the users; each is foretold by the others.
const FOLDS: usize = 5;

/// What is expected of a place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    /// For what was shown.
    pub(super) shown: f64,
    /// For what the target would show, on average.
    pub(super) target: f64,
}

/// A sum of rewards, and of how many.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    rewards: f64,
    n: f64,
}

impl Sum {
    fn add(&mut self, reward: f64) {
        self.rewards += reward;
        self.n += 1.0;
    }

    fn without(self, other: Self) -> Self {
        Self { rewards: self.rewards - other.rewards, n: self.n - other.n }
    }

    fn mean(self) -> Option<f64> {
        (self.n > 0.5).then(|| self.rewards / self.n)
    }
}

/// Sums over all users, and by fold.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    all: Sum,
    folds: [Sum; FOLDS],
}

impl Cell {
    fn add(&mut self, fold: usize, reward: f64) {
        self.all.add(reward);
        self.folds[fold].add(reward);
    }

    /// The mean without a fold.
    fn outside(&self, fold: usize) -> Option<f64> {
        self.all.without(self.folds[fold]).mean()
    }
}

/// What is expected of each place: the mean reward of the item in its context among users of other folds, else anywhere, else
/// that of all.
pub(super) fn expected(places: &[Logged]) -> Vec<Expected> {
    let mut whole = Cell::default();
    let mut by_item: FxHashMap<&str, Cell> = FxHashMap::default();
    let mut by_both: FxHashMap<(&str, &str), Cell> = FxHashMap::default();
    for place in places {
        let (fold, item) = (fold(&place.user), place.items[place.shown].as_str());
        whole.add(fold, place.reward);
        by_item.entry(item).or_default().add(fold, place.reward);
        by_both.entry((&place.context, item)).or_default().add(fold, place.reward);
    }
    let of = |place: &Logged, item: &str| {
        let fold = fold(&place.user);
        let here = by_both.get(&(place.context.as_str(), item)).and_then(|cell| cell.outside(fold));
        let anywhere = || by_item.get(item).and_then(|cell| cell.outside(fold));
        here.or_else(anywhere).or_else(|| whole.outside(fold)).unwrap_or_default()
    };
    let expected = |place: &Logged| {
        let chosen = place.items.iter().zip(&place.target).filter(|(_, chance)| **chance > 0.0);
        Expected {
            shown: of(place, &place.items[place.shown]),
            target: chosen.map(|(item, chance)| chance * of(place, item)).sum(),
        }
    };
    places.iter().map(expected).collect()
}

/// The same for a user everywhere, and for nobody more often than for others.
fn fold(user: &str) -> usize {
    let mut hasher = FxHasher::default();
    user.hash(&mut hasher);
    // The low bits of this hash are its weak ones.
    (hasher.finish() >> 40) as usize % FOLDS
}
