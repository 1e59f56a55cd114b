//! Telling users from programs by how fast they act.

use reco_core::event::Action;
use reco_core::interactions::InteractionLog;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// For every user whether they have more than `per_minute` events within some minute, among these rows.
pub(super) fn bots(log: &InteractionLog, rows: &[u32], per_minute: u32) -> Vec<bool> {
    let mut is_bot = vec![false; log.users.len()];
    let knows_minutes = rows.iter().any(|&row| log.at[row as usize].millis() % HOUR != 0);
    if per_minute == 0 || !knows_minutes {
        return is_bot;
    }
    for events in by_user(log, rows) {
        let Some(&(user, ..)) = events.first() else { continue };
        let moments: Vec<i64> = events.iter().map(|&(_, at, _)| at).collect();
        is_bot[user as usize] = most_in_a_minute(&moments) > per_minute as usize;
    }
    is_bot
}

/// User, moment and, where it may be one of a basket, the action.
type Event = (u32, i64, Option<u8>);

/// What each user did, by time; a basket of one moment is there once.
fn by_user(log: &InteractionLog, rows: &[u32]) -> impl Iterator<Item = Vec<Event>> {
    let is_own: Vec<bool> = log.actions.iter().map(|action| *action != Action::Impression).collect();
    // People look, click and rate one by one; orders and what else a business logs, such as returns, come together.
    let comes_together = |action: &Action| matches!(action, Action::Purchase | Action::Custom(_));
    let comes_together: Vec<bool> = log.actions.iter().map(comes_together).collect();
    let rows = rows.iter().map(|&row| row as usize).filter(|&row| is_own[usize::from(log.action[row])]);
    let event = |row: usize| {
        let code = log.action[row];
        (log.user[row], log.at[row].millis(), Some(code).filter(|&code| comes_together[usize::from(code)]))
    };
    let mut events: Vec<Event> = rows.map(event).collect();
    events.sort_unstable();
    events.dedup_by(|a, b| a.2.is_some() && a == b);
    let users: Vec<Vec<Event>> = events.chunk_by(|a, b| a.0 == b.0).map(<[Event]>::to_vec).collect();
    users.into_iter()
}

/// The most of these ascending moments that fall within one minute, wherever it begins.
fn most_in_a_minute(moments: &[i64]) -> usize {
    let mut first = 0;
    let in_minute_up_to = |(last, &at): (usize, &i64)| {
        while at.saturating_sub(moments[first]) >= MINUTE {
            first += 1;
        }
        last - first + 1
    };
    moments.iter().enumerate().map(in_minute_up_to).max().unwrap_or(0)
}
