//! What each user did with each item, condensed to one record a pair.

use super::InteractionLog;
use crate::event::{Action, ActionWeights, Verdict};
use crate::id::ItemId;
use crate::time::Timestamp;
use crate::trend::Trend;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Everything one user did with one item.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    /// The item.
    pub item: ItemId,
    /// Number of interactions that carry weight.
    pub count: u32,
    /// Their summed weight.
    pub weight: f32,
    /// Their number, each counting half as much for every [`HALF_LIFE_DAYS`](Self::HALF_LIFE_DAYS) it is older.
    trend: Trend,
    /// The first interaction.
    pub first: Timestamp,
    /// The latest interaction.
    pub last: Timestamp,
    /// When the user last bought or rated it, if ever.
    pub consumed: Option<Timestamp>,
    /// How often they did and did not take it back.
    n_consumed: u32,
    /// The user's last word on it was a dislike or hide.
    pub rejected: bool,
}

impl Touch {
    /// Days after which an interaction counts half in [`faded_count`](Self::faded_count).
    pub const HALF_LIFE_DAYS: f64 = 60.0;

    /// A record of nothing yet.
    pub fn new(item: ItemId, at: Timestamp) -> Self {
        Self {
            item,
            count: 0,
            weight: 0.0,
            trend: Trend::NOTHING,
            first: at,
            last: at,
            consumed: None,
            n_consumed: 0,
            rejected: false,
        }
    }

    /// Whether it speaks for the user's taste.
    pub fn is_liked(&self) -> bool {
        !self.rejected && self.weight > 0.0
    }

    /// Number of interactions that carry weight, each counting half as much for every
    /// [`HALF_LIFE_DAYS`](Self::HALF_LIFE_DAYS) that it lies before `now`: what was a habit once and no longer is has a
    /// large count and a small one of these.
    pub fn faded_count(&self, now: Timestamp) -> f32 {
        self.trend.at(now, Self::HALF_LIFE_DAYS).min(self.count as f32)
    }

    /// Whether nothing is left of what the user did.
    pub(crate) fn is_void(&self) -> bool {
        self.count == 0 && self.consumed.is_none() && !self.rejected
    }

    /// Adds one interaction. Order does not matter except that the latest rejection or liking counts, and that
    /// only what came before can be taken back.
    pub fn add(&mut self, action: &Action, verdict: Verdict, at: Timestamp) {
        if let Verdict::TakesBack(weight) = verdict {
            return self.take_back(action, weight, at);
        }
        let weight = verdict.weight();
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
            self.trend = self.trend.plus(Trend::of_event(1.0, at, Self::HALF_LIFE_DAYS));
            self.rejected &= !is_latest;
        }
        if action.is_consumption() {
            self.consumed = self.consumed.max(Some(at));
            self.n_consumed += 1;
        }
    }

    /// Undoes one interaction of that action, if there was one. It is no sign of interest, so the latest stays
    /// what it was.
    fn take_back(&mut self, action: &Action, weight: f32, at: Timestamp) {
        if action.is_rejection() {
            self.rejected &= at < self.last;
            return;
        }
        let n_others = self.count.saturating_sub(self.n_consumed);
        if (if action.is_consumption() { self.n_consumed } else { n_others }) == 0 {
            return;
        }
        if weight > 0.0 {
            // Which of them it was is not known.
            let n_left = self.count.saturating_sub(1);
            self.trend = self.trend.times(n_left as f32 / self.count.max(1) as f32);
            self.count = n_left;
            self.weight = if self.count == 0 { 0.0 } else { (self.weight - weight).max(0.0) };
        }
        if action.is_consumption() {
            self.n_consumed -= 1;
            self.consumed = self.consumed.filter(|_| self.n_consumed > 0);
        }
    }
}

/// The histories of all users of a snapshot, each newest first. Cheap to clone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Histories {
    offsets: Arc<[usize]>,
    touches: Arc<[Touch]>,
}

impl Histories {
    /// Condenses a log.
    pub fn from_log(log: &InteractionLog, weights: &ActionWeights) -> Self {
        let verdicts: Vec<Verdict> = log.verdicts(weights).collect();
        let mut rows: Vec<u32> = (0..log.len() as u32).collect();
        rows.sort_by_key(|&row| {
            let row = row as usize;
            (log.user[row], log.item[row], log.at[row])
        });
        let (mut offsets, mut touches) = (vec![0], Vec::<Touch>::with_capacity(rows.len() / 2));
        let mut rows = rows.into_iter().map(|row| row as usize).peekable();
        for user in 0..log.users.len() as u32 {
            let (start, mut takes_back) = (touches.len(), false);
            while let Some(row) = rows.next_if(|&row| log.user[row] == user) {
                let (item, at, action) = (log.item[row], log.at[row], &log.actions[log.action[row] as usize]);
                if !verdicts[row].leaves_trace(action) {
                    continue;
                }
                let open = touches.len() > start && touches.last().map(|touch| touch.item) == Some(item);
                if !open {
                    touches.push(Touch::new(item, at));
                }
                if let Some(touch) = touches.last_mut() {
                    touch.add(action, verdicts[row], at);
                    takes_back |= verdicts[row].takes_back();
                }
            }
            if takes_back {
                let of_user = touches.split_off(start);
                touches.extend(of_user.into_iter().filter(|touch| !touch.is_void()));
            }
            newest_first(&mut touches[start..]);
            offsets.push(touches.len());
        }
        Self { offsets: offsets.into(), touches: touches.into() }
    }

    /// The touches of all users, in the order of their rows.
    pub fn touches(&self) -> &[Touch] {
        &self.touches
    }

    /// Number of users.
    pub fn n_users(&self) -> usize {
        self.offsets.len().saturating_sub(1)
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
    fn what_was_shown_is_no_history() {
        let mut log = InteractionLog::default();
        let (ann, bob) = (log.users.intern("ann"), log.users.intern("bob"));
        let mut add = |user, item, action, secs| {
            log.push(user, ItemId::new(item), &action, None, Timestamp::from_secs(secs));
        };
        add(ann, 3, Action::Purchase, 5);
        add(ann, 3, Action::Impression, 9);
        add(ann, 4, Action::Impression, 10);
        add(bob, 4, Action::Impression, 11);
        let histories = Histories::from_log(&log, &ActionWeights::default());
        let [bought] = histories.of(ann) else { panic!("one item") };
        assert_eq!((bought.count, bought.last), (1, Timestamp::from_secs(5)));
        assert!(histories.of(bob).is_empty());
    }

    #[test]
    fn a_later_purchase_takes_back_a_rejection() {
        let mut touch = Touch::new(ItemId::new(0), Timestamp::from_secs(1));
        touch.add(&Action::Hide, Verdict::Speaks(0.0), Timestamp::from_secs(2));
        assert!(touch.rejected);
        touch.add(&Action::Purchase, Verdict::Speaks(1.0), Timestamp::from_secs(1));
        assert!(touch.rejected, "an older event changes no verdict");
        touch.add(&Action::Purchase, Verdict::Speaks(1.0), Timestamp::from_secs(3));
        assert!(!touch.rejected);
    }

    #[test]
    fn counts_fade_by_half_within_the_half_life() {
        let at = |days: f64| Timestamp::default().plus_days(days);
        let of = |days: [f64; 3]| {
            let mut touch = Touch::new(ItemId::new(0), at(days[0]));
            for day in days {
                touch.add(&Action::Purchase, Verdict::Speaks(1.0), at(day));
            }
            touch
        };
        let half_life = Touch::HALF_LIFE_DAYS;
        for days in [[0.0, half_life, 2.0 * half_life], [2.0 * half_life, 0.0, half_life]] {
            let touch = of(days);
            assert!((touch.faded_count(at(2.0 * half_life)) - 1.75).abs() < 1e-6, "{days:?}");
            assert!((touch.faded_count(at(3.0 * half_life)) - 0.875).abs() < 1e-6, "{days:?}");
        }
        let mut touch = of([0.0; 3]);
        touch.add(&Action::View, Verdict::Speaks(0.0), at(half_life));
        assert!(
            (touch.faded_count(at(half_life)) - 1.5).abs() < 1e-6,
            "what carries no weight only makes time pass"
        );
        touch.add(&Action::Purchase, Verdict::TakesBack(1.0), at(half_life));
        assert!((touch.faded_count(at(half_life)) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_taken_back_leaves_what_was_before() {
        let mut log = InteractionLog::default();
        let ann = log.users.intern("ann");
        for (item, action, value, secs) in [
            (1, Action::Purchase, 1.0, 1),
            (1, Action::Purchase, -1.0, 9),
            (2, Action::View, 1.0, 2),
            (2, Action::Purchase, 1.0, 3),
            (2, Action::Purchase, -1.0, 9),
            (3, Action::Purchase, 1.0, 3),
            (3, Action::Purchase, 1.0, 4),
            (3, Action::Purchase, -1.0, 9),
            (3, Action::View, -1.0, 10),
            (4, Action::Hide, 1.0, 5),
            (4, Action::Hide, -1.0, 9),
            (5, Action::Purchase, -1.0, 9),
        ] {
            log.push(ann, ItemId::new(item), &action, Some(value), Timestamp::from_secs(secs));
        }
        let weights = ActionWeights::default();
        let histories = Histories::from_log(&log, &weights);
        let [twice, viewed] = histories.of(ann) else { panic!("{:?}", histories.of(ann)) };
        assert_eq!((twice.item.raw(), twice.count, twice.consumed.is_some()), (3, 1, true));
        assert_eq!((viewed.item.raw(), viewed.count, viewed.consumed), (2, 1, None));
        assert_eq!(viewed.last, Timestamp::from_secs(3), "taking back is no sign of interest");
        assert_eq!(log.matrix(6, &weights).row(0).0, [2, 3]);
    }
}
