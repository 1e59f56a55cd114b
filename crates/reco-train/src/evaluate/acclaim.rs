//! How well items are rated, by whoever rated them.

use super::cases::Case;
use super::scorers::Scorer;
use reco_core::error::RecommendError;
use reco_core::event::Action;
use reco_core::interactions::InteractionLog;

/// Per item by how much ratings of it exceed what their users give on average: the mean over its ratings and a few
/// that are average.
pub(super) struct Acclaim(Vec<f32>);

impl Acclaim {
    pub(super) const NAME: &'static str = "acclaim";

    /// Average ratings that every item starts with, so that a few good ones alone do not put it first.
    const AVERAGE: f64 = 10.0;

    pub(super) fn new(log: &InteractionLog, n_items: usize) -> Self {
        let mut of_user = vec![Mean::default(); log.users.len()];
        ratings(log).for_each(|(row, value)| of_user[log.user[row] as usize].add(value));
        let mut of_item = vec![Mean::default(); n_items];
        for (row, value) in ratings(log) {
            of_item[log.item[row].index()].add(value - of_user[log.user[row] as usize].with(0.0));
        }
        Self(of_item.iter().map(|mean| mean.with(Self::AVERAGE) as f32).collect())
    }

    /// Whether there is any rating to go by.
    pub(super) fn speaks_of(log: &InteractionLog) -> bool {
        ratings(log).next().is_some()
    }
}

/// Rows that are ratings, with their values.
fn ratings(log: &InteractionLog) -> impl Iterator<Item = (usize, f64)> {
    let is_rating: Vec<bool> = log.actions.iter().map(|action| *action == Action::Rating).collect();
    let rows = log.action.iter().zip(&log.value).enumerate();
    rows.filter(move |(_, (code, value))| is_rating[**code as usize] && value.is_finite())
        .map(|(row, (_, value))| (row, f64::from(*value)))
}

#[derive(Clone, Copy, Default)]
struct Mean {
    sum: f64,
    n: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.n += 1.0;
    }

    /// With so many zeros beside; 0 of nothing.
    fn with(self, n_zeros: f64) -> f64 {
        if self.n > 0.0 { self.sum / (self.n + n_zeros) } else { 0.0 }
    }
}

impl Scorer for Acclaim {
    fn score(&self, _: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        scores.copy_from_slice(&self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reco_core::id::ItemId;
    use reco_core::time::Timestamp;

    fn log(events: &[(&str, u32, Action, f32)]) -> InteractionLog {
        let mut log = InteractionLog::default();
        for (user, item, action, value) in events {
            let user = log.users.intern(user);
            log.push(user, ItemId::new(*item), action, Some(*value), Timestamp::default());
        }
        log
    }

    #[test]
    fn ratings_count_as_far_as_they_exceed_what_their_users_give() {
        let (rating, purchase) = (Action::Rating, Action::Purchase);
        let log = log(&[
            ("mild", 0, rating.clone(), 5.0),
            ("mild", 1, rating.clone(), 4.0),
            ("strict", 1, rating.clone(), 3.0),
            ("strict", 2, rating.clone(), 1.0),
            ("strict", 2, purchase, 9.0),
            ("strict", 3, rating, f32::NAN),
        ]);
        let Acclaim(items) = Acclaim::new(&log, 5);
        let expected = [0.5 / 11.0, 0.5 / 12.0, -1.0 / 11.0, 0.0, 0.0];
        for (item, (found, expected)) in items.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < 1e-6, "item {item}: {found}, not {expected}");
        }
    }

    #[test]
    fn without_ratings_there_is_nothing_to_say() {
        assert!(!Acclaim::speaks_of(&log(&[("ann", 0, Action::Purchase, 2.0)])));
        assert!(Acclaim::speaks_of(&log(&[("ann", 0, Action::Rating, 2.0)])));
    }
}
