//! Telling users from programs by how fast they act.

use super::CleanParams;
use reco_core::event::Action;
use reco_core::interactions::InteractionLog;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Orders within one window that nobody places by hand: from so many moments on, every line of a basket counts.
const MANY_ORDERS: usize = 10;

/// What gave a bot away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// More events within some time than people come to.
    Fast,
    /// A basket larger than people fill.
    Basket,
}

/// For every user what makes them a bot, among these rows; see [`CleanParams`].
pub(super) fn bots(log: &InteractionLog, rows: &[u32], params: &CleanParams) -> Vec<Option<Sign>> {
    let mut signs = vec![None; log.users.len()];
    let knows_minutes = rows.iter().any(|&row| log.at[row as usize].millis() % HOUR != 0);
    let (per_minute, per_basket) = (params.bots_per_minute as usize, params.bots_per_basket as usize);
    // Without times, all that anybody did is at one moment.
    let per_basket = if log.has_times() { per_basket } else { 0 };
    for lines in by_user(log, rows) {
        let Some(&(user, ..)) = lines.first() else { continue };
        let is_fast = || {
            let mut events = lines.clone();
            events.dedup_by(|a, b| a.2.is_some() && a == b);
            knows_minutes && most_within(MINUTE, &events, 1) > per_minute
                || most_within(MINUTE, &lines, MANY_ORDERS) > per_minute
                || most_within(HOUR, &lines, MANY_ORDERS) > per_minute.saturating_mul(60)
        };
        let largest_basket = || {
            let baskets = lines.chunk_by(|a, b| a == b).filter(|basket| basket[0].2.is_some());
            baskets.map(<[Line]>::len).max().unwrap_or(0)
        };
        signs[user as usize] = if per_minute > 0 && is_fast() {
            Some(Sign::Fast)
        } else if per_basket > 0 && largest_basket() > per_basket {
            Some(Sign::Basket)
        } else {
            None
        };
    }
    signs
}

/// User, moment and, where it may be one of a basket, the action.
type Line = (u32, i64, Option<u8>);

/// What each user did, by time.
fn by_user(log: &InteractionLog, rows: &[u32]) -> impl Iterator<Item = Vec<Line>> {
    let is_own: Vec<bool> = log.actions.iter().map(|action| *action != Action::Impression).collect();
    // People look, click and rate one by one; orders and what else a business logs, such as returns, come together.
    let comes_together = |action: &Action| matches!(action, Action::Purchase | Action::Custom(_));
    let comes_together: Vec<bool> = log.actions.iter().map(comes_together).collect();
    let rows = rows.iter().map(|&row| row as usize).filter(|&row| is_own[usize::from(log.action[row])]);
    let line = |row: usize| {
        let code = log.action[row];
        (log.user[row], log.at[row].millis(), Some(code).filter(|&code| comes_together[usize::from(code)]))
    };
    let mut lines: Vec<Line> = rows.map(line).collect();
    lines.sort_unstable();
    let users: Vec<Vec<Line>> = lines.chunk_by(|a, b| a.0 == b.0).map(<[Line]>::to_vec).collect();
    users.into_iter()
}

/// The most of these lines that fall within one window, wherever it begins, at `fewest` moments or more; 0 where they
/// are nowhere spread so far.
fn most_within(window: i64, lines: &[Line], fewest: usize) -> usize {
    let (mut first, mut n_moments, mut most) = (0, 0, 0);
    for (last, &(_, at, _)) in lines.iter().enumerate() {
        n_moments += usize::from(last == 0 || lines[last - 1].1 != at);
        while at.saturating_sub(lines[first].1) >= window {
            n_moments -= usize::from(lines[first].1 != lines[first + 1].1);
            first += 1;
        }
        if n_moments >= fewest {
            most = most.max(last - first + 1);
        }
    }
    most
}
