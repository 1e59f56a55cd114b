//! What to know about data before trusting what is made of it.

use reco_core::event::{Action, ActionWeights};
use reco_core::filter::SeenPolicy;
use reco_core::interactions::{ActionTally, InteractionLog};
use reco_core::pipeline::RankerName;
use reco_train::data::ImportReport;
use reco_train::fit::snapshot::Plan;
use reco_train::history::HistoryReport;

/// Highest value of a scale of five stars, for which the default threshold of ratings is meant.
const FIVE_STARS: f32 = 5.0;

/// Actions remarked on; a column of ids taken for one of actions has many.
const MOST_ACTIONS: usize = 10;

/// What reading left out or found empty.
pub(crate) fn on_reading(report: &ImportReport) -> Vec<String> {
    let mut lines: Vec<String> =
        report.empty_files.iter().map(|file| format!("{} has no rows", file.display())).collect();
    lines.extend(report.bad_examples.iter().map(|bad| format!("left out: {bad}")));
    let unnamed = report.bad_rows - report.bad_examples.len();
    if unnamed > 0 {
        lines.push(format!("left out: {unnamed} more bad rows"));
    }
    lines.extend(report.history.as_ref().and_then(on_history));
    lines
}

/// What of a server's history could not be used.
pub(crate) fn on_history(report: &HistoryReport) -> Option<String> {
    let HistoryReport { on_unknown_items, unknown_items, .. } = report;
    let named = unknown_items.join("`, `");
    (*on_unknown_items > 0).then(|| {
        format!("{on_unknown_items} events of the history are on items that the data do not have, such as `{named}`")
    })
}

/// That a ranker made elsewhere may know what it is judged by.
pub(crate) fn on_ranker(ranker: &RankerName) -> Option<String> {
    let RankerName::File(path) = ranker else { return None };
    Some(format!(
        "{} is judged fairly only if it learned from nothing later than what trains here: `reco features --export` \
         takes --set clean.until=TIME",
        path.display()
    ))
}

/// Which actions do not count, in part or at all, and how to change that.
pub(crate) fn on_actions(log: &InteractionLog, weights: &ActionWeights) -> Vec<String> {
    let usual = ActionWeights::default().at_least(&Action::Rating);
    let of = |tally: &ActionTally| {
        let ActionTally { action, rows, weighted, values, at_least, .. } = tally;
        if let Some(hint) = tally.hint() {
            return Some(format!("{rows} rows do not count: {hint}"));
        }
        let (least, most) = values.filter(|_| *at_least > 0.0)?;
        let mut line = format!(
            "`{action}` runs from {least} to {most}; {weighted} of {rows} rows, those from {at_least} on, speak for \
             their item (weights.at_least.{action})"
        );
        if *action == Action::Rating && *at_least <= usual && most > FIVE_STARS {
            let scaled = (most * usual / FIVE_STARS).round();
            line.push_str(&format!(
                "; {at_least} is meant for five stars, on this scale say --set weights.at_least.{action}={scaled}"
            ));
        }
        Some(line)
    };
    let tallies = log.tally(weights);
    let mut lines: Vec<String> = tallies.iter().filter_map(of).collect();
    lines.extend(idle(&tallies, weights));
    if lines.len() > MOST_ACTIONS {
        let rest = lines.split_off(MOST_ACTIONS).len();
        lines.push(format!("so much for {MOST_ACTIONS} actions; there are {rest} more remarks"));
    }
    lines
}

/// What becomes of rows that say what was shown, where there are any.
pub(crate) fn on_impressions(log: &InteractionLog, weights: &ActionWeights, plan: &Plan) -> Option<String> {
    let action = Action::Impression;
    let ActionTally { rows, weight, .. } =
        log.tally(weights).into_iter().find(|tally| tally.action == action)?;
    let becomes = if weight > 0.0 {
        "speak for their item, for `impression` has a weight; with weights.impression=0 they tell learned rankers what users \
         passed over"
    } else if !plan.impressions {
        "teach nothing: train.impressions is off"
    } else if !log.has_times() {
        "teach nothing: without times, what was shown later is not told from what was shown before"
    } else {
        "weigh nothing by themselves; they tell learned rankers what users passed over (train.impressions)"
    };
    Some(format!("rows of `{action}`, {rows} in all, {becomes}"))
}

/// Fewer people than these tell nothing of habits.
const FEWEST_USERS: usize = 20;

/// Shares of repeats below which people do not come back for the same things, and above which they do.
const HARDLY_ANY: f64 = 0.01;
const MANY: f64 = 0.2;

/// Whether people take again what they had, and what `pipeline.seen` should then be.
pub(crate) fn on_repeats(log: &InteractionLog, seen: SeenPolicy) -> Option<String> {
    let share = repeats(log)?;
    let percent = format!("{:.1} %", 100.0 * share);
    match seen {
        SeenPolicy::Never if share < HARDLY_ANY => Some(format!(
            "{percent} of what was bought or rated is something that the user had before: nobody comes back for the \
             same things, yet pages offer them again; --set pipeline.seen=always keeps them away"
        )),
        SeenPolicy::Always if share > MANY => Some(format!(
            "{percent} of what was bought or rated is something that the user had before, and pipeline.seen=always keeps \
             it off every page; --set pipeline.seen=never lets it come again"
        )),
        _ => None,
    }
}

/// Share of what was bought or rated that the same user had bought or rated at an earlier moment; `None` for data that
/// cannot tell.
fn repeats(log: &InteractionLog) -> Option<f64> {
    let is_consumed: Vec<bool> = log.actions.iter().map(Action::is_consumption).collect();
    let rows = (0..log.len()).filter(|&row| is_consumed[usize::from(log.action[row])]);
    // What takes back is no taking.
    let rows = rows.filter(|&row| log.value[row].is_nan() || log.value[row] >= 0.0);
    let mut taken: Vec<(u32, u32, i64)> =
        rows.map(|row| (log.user[row], log.item[row].raw(), log.at[row].millis())).collect();
    taken.sort_unstable();
    if log.has_times() {
        taken.dedup();
    }
    let n_users = taken.chunk_by(|a, b| a.0 == b.0).filter(|of_user| of_user.len() > 1).count();
    let n_pairs = taken.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).count();
    (n_users >= FEWEST_USERS).then(|| (taken.len() - n_pairs) as f64 / taken.len() as f64)
}

/// Settings of one's own for actions that the data do not have.
fn idle(tallies: &[ActionTally], weights: &ActionWeights) -> Vec<String> {
    let usual = ActionWeights::default();
    let is_there = |action: &Action| tallies.iter().any(|tally| tally.action == *action);
    let of_weight = weights.iter().filter(|(action, weight)| weight.total_cmp(&usual.get(action)).is_ne());
    let of_threshold =
        weights.thresholds().filter(|(action, value)| value.total_cmp(&usual.at_least(action)).is_ne());
    let paths = of_weight.map(|(action, _)| (action, "weights"));
    let paths = paths.chain(of_threshold.map(|(action, _)| (action, "weights.at_least")));
    let line = |(action, path): (&Action, &str)| {
        let why = if path != "weights" && weights.get(action) <= 0.0 {
            format!("`{action}` has no weight")
        } else if !is_there(action) {
            format!("the data has no interaction of that kind, only {}", listed(tallies))
        } else {
            return None;
        };
        Some(format!("{path}.{action} changes nothing: {why}"))
    };
    paths.filter_map(line).collect()
}

fn listed(tallies: &[ActionTally]) -> String {
    let names: Vec<String> =
        tallies.iter().take(MOST_ACTIONS).map(|tally| format!("`{}`", tally.action)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reco_core::id::ItemId;
    use reco_core::time::Timestamp;

    fn check(rows: &[(&str, f32)], parts: &[&str]) {
        check_with(&ActionWeights::default(), rows, parts);
    }

    fn check_with(weights: &ActionWeights, rows: &[(&str, f32)], parts: &[&str]) {
        let mut log = InteractionLog::default();
        let user = log.users.intern("ann");
        for &(action, value) in rows {
            log.push(user, ItemId::new(0), &action.into(), Some(value), Timestamp::default());
        }
        let lines = on_actions(&log, weights);
        assert_eq!(lines.len(), parts.len(), "{lines:?}");
        for (line, part) in lines.iter().zip(parts) {
            assert!(line.contains(part), "{line:?} lacks {part:?}");
        }
    }

    #[test]
    fn settings_for_actions_that_are_not_there_are_named() {
        let mut weights = ActionWeights::default();
        weights.set("purchse".into(), 2.0);
        weights.set_at_least("raiting".into(), 4.0);
        weights.set_at_least(Action::Like, 1.0);
        check_with(
            &weights,
            &[("purchase", 1.0), ("view", 1.0)],
            &[
                "weights.purchse changes nothing: the data has no interaction of that kind, only `view`, `purchase`",
                "weights.at_least.like changes nothing: the data has no interaction",
                "weights.at_least.raiting changes nothing: `raiting` has no weight",
            ],
        );
        check_with(
            &weights,
            &[("like", 1.0), ("purchse", 1.0)],
            &["`like` runs from", "weights.at_least.raiting"],
        );
    }

    #[test]
    fn habits_that_do_not_suit_the_setting_are_said() {
        let log = |days_between: i64| {
            let mut log = InteractionLog::default();
            for user in 0..FEWEST_USERS as i64 {
                let row = log.users.intern(&user.to_string());
                for item in 0..4u32 {
                    // Two rows of one basket are no repeat.
                    for at in [0, 0, days_between] {
                        let at = Timestamp::from_secs(86_400 * (1 + i64::from(item) + at));
                        log.push(row, ItemId::new(item), &Action::Purchase, None, at);
                    }
                }
            }
            log
        };
        for (days_between, seen, said) in [
            (0, SeenPolicy::Never, Some("0.0 % of what was bought or rated")),
            (0, SeenPolicy::Always, None),
            (0, SeenPolicy::WithinDays(3.0), None),
            (7, SeenPolicy::Never, None),
            (7, SeenPolicy::Always, Some("50.0 % of what was bought or rated")),
        ] {
            let told = on_repeats(&log(days_between), seen);
            assert_eq!(told.is_some(), said.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().starts_with(said.unwrap_or_default()));
        }
        let mut few = log(0);
        few.user.fill(0);
        assert_eq!(on_repeats(&few, SeenPolicy::Never), None);
    }

    #[test]
    fn what_impressions_are_good_for_is_said() {
        let told = |weight: f32, impressions: bool, secs: i64| {
            let mut log = InteractionLog::default();
            let user = log.users.intern("ann");
            log.push(user, ItemId::new(0), &Action::Impression, None, Timestamp::from_secs(secs));
            let mut weights = ActionWeights::default();
            weights.set(Action::Impression, weight);
            on_impressions(&log, &weights, &Plan { impressions, ..Plan::default() }).unwrap_or_default()
        };
        for (weight, impressions, secs, said) in [
            (0.0, true, 1, "rows of `impression`, 1 in all, weigh nothing by themselves"),
            (0.0, false, 1, "train.impressions is off"),
            (0.0, true, 0, "without times"),
            (0.1, true, 1, "speak for their item"),
        ] {
            let told = told(weight, impressions, secs);
            assert!(told.contains(said), "{told}");
        }
        assert!(
            on_impressions(&InteractionLog::default(), &ActionWeights::default(), &Plan::default()).is_none()
        );
    }

    #[test]
    fn what_does_not_count_is_said() {
        check(&[("purchase", 1.0), ("hide", 1.0), ("impression", 1.0)], &[]);
        check(&[("rating", 5.0), ("rating", 1.0)], &["from 1 to 5; 1 of 2 rows, those from 4 on"]);
        check(&[("rating", 9.0), ("rating", 10.0)], &["--set weights.at_least.rating=8"]);
        check(
            &[("rating", 1.0), ("star", 1.0)],
            &["--set weights.at_least.rating=1", "--set weights.star=1"],
        );
    }
}
