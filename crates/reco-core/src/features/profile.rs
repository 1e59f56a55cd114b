//! What a user's history says of their habits.

use super::ItemTable;
use crate::catalog::Labels;
use crate::id::ItemId;
use crate::interactions::Touch;
use crate::query::Query;
use crate::time::Timestamp;
use rustc_hash::FxHashMap;

/// The user's habits, computed once a request for all groups that need them.
#[derive(Debug, Default)]
pub(super) struct Profile {
    pub(super) categories: Habits,
    pub(super) subcategories: Habits,
    pub(super) brands: Habits,
    /// Items of the user's that bear each tag, as a share of all.
    pub(super) tags: FxHashMap<u32, f32>,
    /// ln(1 + price) of what they took.
    pub(super) prices: Spread,
    /// ln(1 + users) of what they took: how mainstream their taste is.
    pub(super) popularity: Spread,
}

/// How often and when the values of one attribute were taken.
#[derive(Debug, Default)]
pub(super) struct Habits {
    by_code: FxHashMap<u32, Habit>,
    n_events: f32,
    n_late: f32,
}

/// How often and when one value was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    events: f32,
    late: f32,
    /// The last time.
    pub(super) last: Timestamp,
}

/// Mean and standard deviation, weighted by events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    weight: f32,
    mean: f32,
    squares: f32,
}

impl Profile {
    /// The newest items of a history that are looked at: enough for any habit, and a bound to the work.
    const MOST_ITEMS: usize = 1_000;

    pub(super) fn new(query: &Query) -> Self {
        let catalog = &query.snapshot.catalog;
        let popularity = ItemTable::popularity(&query.snapshot);
        let mut profile = Self::default();
        let liked = query.history().iter().filter(|touch| touch.is_liked()).take(Self::MOST_ITEMS);
        for (place, touch) in liked.enumerate() {
            let is_late = place < Query::ANCHORS;
            profile.categories.add(catalog.category(), touch, is_late);
            profile.subcategories.add(catalog.subcategory(), touch, is_late);
            profile.brands.add(catalog.brand(), touch, is_late);
            for &tag in catalog.tags().codes(touch.item) {
                *profile.tags.entry(tag).or_default() += 1.0;
            }
            let n_events = touch.count as f32;
            if let Some(price) = catalog.price(touch.item) {
                profile.prices.add(price.ln_1p(), n_events);
            }
            if let Some(popularity) = popularity(touch.item) {
                profile.popularity.add(popularity, n_events);
            }
        }
        let n_items = query.history().len().clamp(1, Self::MOST_ITEMS) as f32;
        profile.tags.values_mut().for_each(|share| *share /= n_items);
        profile
    }
}

impl Habits {
    fn add(&mut self, labels: &Labels, touch: &Touch, is_late: bool) {
        let Some(code) = labels.code(touch.item) else { return };
        let n_events = touch.count as f32;
        let n_late = if is_late { 1.0 } else { 0.0 };
        let habit = self.by_code.entry(code).or_insert(Habit { events: 0.0, late: 0.0, last: touch.last });
        habit.events += n_events;
        habit.late += n_late;
        habit.last = habit.last.max(touch.last);
        self.n_events += n_events;
        self.n_late += n_late;
    }

    /// The habit with what an item bears, if there is one.
    pub(super) fn of(&self, labels: &Labels, item: ItemId) -> Option<&Habit> {
        self.by_code.get(&labels.code(item)?)
    }

    /// The share of the user's events that a habit has, 0..1.
    pub(super) fn share(&self, habit: Option<&Habit>) -> f32 {
        habit.map_or(0.0, |habit| habit.events / self.n_events.max(1.0))
    }

    /// The share of their latest items that it has, 0..1.
    pub(super) fn late_share(&self, habit: Option<&Habit>) -> f32 {
        habit.map_or(0.0, |habit| habit.late / self.n_late.max(1.0))
    }

    /// Distinct values taken.
    pub(super) fn len(&self) -> usize {
        self.by_code.len()
    }

    /// The largest share, 0 where there is none.
    pub(super) fn largest_share(&self) -> f32 {
        self.by_code.values().map(|habit| self.share(Some(habit))).fold(0.0, f32::max)
    }

    /// How evenly the events are spread: 0 for a single value, 1 for the same number each.
    pub(super) fn evenness(&self) -> f32 {
        if self.len() < 2 {
            return 0.0;
        }
        let mut shares: Vec<f32> = self.by_code.values().map(|habit| self.share(Some(habit))).collect();
        // A sum in the order of a hash map would not be the same everywhere.
        shares.sort_unstable_by(f32::total_cmp);
        let entropy: f32 = shares.iter().map(|share| -share * share.ln()).sum();
        entropy / (self.len() as f32).ln()
    }
}

impl Spread {
    fn add(&mut self, value: f32, weight: f32) {
        self.weight += weight;
        let step = value - self.mean;
        self.mean += step * weight / self.weight.max(f32::MIN_POSITIVE);
        self.squares += weight * step * (value - self.mean);
    }

    /// The mean; `None` of nothing.
    pub(super) fn mean(&self) -> Option<f32> {
        (self.weight > 0.0).then_some(self.mean)
    }

    /// The standard deviation; `None` of nothing.
    pub(super) fn deviation(&self) -> Option<f32> {
        (self.weight > 0.0).then(|| (self.squares / self.weight).max(0.0).sqrt())
    }

    /// How many standard deviations a value lies above the mean; a spread of a single value counts as one of a
    /// tenth of a logarithm. `None` of nothing.
    pub(super) fn deviations_of(&self, value: f32) -> Option<f32> {
        Some((value - self.mean()?) / self.deviation()?.max(0.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_those_of_the_repeated_values() {
        let mut spread = Spread::default();
        assert!(spread.mean().is_none() && spread.deviations_of(1.0).is_none());
        // 2, 2, 2 and 6: mean 3, variance 3.
        spread.add(2.0, 3.0);
        spread.add(6.0, 1.0);
        let near = |a: Option<f32>, b: f32| (a.unwrap() - b).abs() < 1e-6;
        assert!(near(spread.mean(), 3.0) && near(spread.deviation(), 3f32.sqrt()));
        assert!(near(spread.deviations_of(3.0 - 3f32.sqrt()), -1.0));
    }
}
