//! Events by day, from which windows of any length are summed.

use crate::time::Timestamp;

/// Events of some days.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    /// Events.
    pub events: u64,
    /// The mean of the values of those that had one.
    pub mean_value: Option<f32>,
}

/// Days kept, the latest with an event included.
pub(super) const KEPT: u16 = 35;

/// Tumbling windows of a day in UTC. Sums are of whole numbers, so that their order makes no difference.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Days(Vec<Day>);

/// One day with events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Day {
    /// Days since 1970.
    number: i32,
    events: u32,
    /// Those that had a value, and the sum of these in millionths.
    values: u32,
    millionths: i64,
}

impl Days {
    pub(super) fn add(&mut self, at: Timestamp, value: Option<f32>) {
        let number = day_number(at);
        let first_kept = |latest: i32| latest.saturating_sub(i32::from(KEPT) - 1);
        if self.0.last().is_some_and(|latest| number < first_kept(latest.number)) {
            return;
        }
        let place = self.0.partition_point(|day| day.number < number);
        if self.0.get(place).is_none_or(|day| day.number != number) {
            self.0.insert(place, Day { number, ..Day::default() });
            let latest = self.0.last().map_or(number, |day| day.number);
            self.0.retain(|day| day.number >= first_kept(latest));
        }
        let Some(day) = self.0.iter_mut().find(|day| day.number == number) else { return };
        day.events = day.events.saturating_add(1);
        if let Some(value) = value {
            day.values = day.values.saturating_add(1);
            day.millionths = day.millionths.saturating_add((f64::from(value) * 1e6).round() as i64);
        }
    }

    /// The last `days` days, that of `now` included.
    pub(super) fn window(&self, days: u16, now: Timestamp) -> Window {
        let today = day_number(now);
        let within =
            |day: &&Day| day.number <= today && i64::from(today) - i64::from(day.number) < i64::from(days);
        let (mut events, mut values, mut millionths) = (0, 0u64, 0i128);
        for day in self.0.iter().filter(within) {
            events += u64::from(day.events);
            values += u64::from(day.values);
            millionths += i128::from(day.millionths);
        }
        let mean_value = (values > 0).then(|| (millionths as f64 / 1e6 / values as f64) as f32);
        Window { events, mean_value }
    }
}

impl Days {
    /// Number of the day, events, values and their sum in millionths.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (i32, u32, u32, i64)> {
        self.0.iter().map(|day| (day.number, day.events, day.values, day.millionths))
    }
}

impl FromIterator<(i32, u32, u32, i64)> for Days {
    fn from_iter<T: IntoIterator<Item = (i32, u32, u32, i64)>>(rows: T) -> Self {
        let day = |(number, events, values, millionths)| Day { number, events, values, millionths };
        Self(rows.into_iter().map(day).collect())
    }
}

fn day_number(at: Timestamp) -> i32 {
    let day = at.millis().div_euclid(86_400_000);
    day.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}
