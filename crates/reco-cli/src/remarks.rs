//! What to know about data before trusting what is made of it.

use reco_core::event::{Action, ActionWeights};
use reco_core::interactions::{ActionTally, InteractionLog};
use reco_core::pipeline::{PipelineConfig, RankerName};
use reco_train::data::ImportReport;

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
    lines
}

/// That a ranker made elsewhere may know what it is judged by.
pub(crate) fn on_ranker(pipeline: &PipelineConfig) -> Option<String> {
    let RankerName::File(path) = &pipeline.ranker else { return None };
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
