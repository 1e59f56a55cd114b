//! What to do about an experiment, and why.

use super::metrics::{Better, Comparison, ExperimentReport, MetricReport};
use super::statistics::{Correction, Mismatch};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// When an experiment may end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionRules {
    /// The metric that decides.
    pub metric: String,
    /// Days before which nothing is promoted, at least 1: weekends differ from weekdays.
    pub least_days: u32,
    /// Users of each arm before which nothing is promoted, at least 2.
    pub least_users: u64,
    /// The share of experiments without a difference that may be told of one, between 0 and 1.
    pub alpha: f64,
    /// The most that users who saw several variants may be of all, 0 to 1.
    pub most_mixed: f64,
}

impl Default for DecisionRules {
    fn default() -> Self {
        Self {
            metric: "conversion".to_owned(),
            least_days: 7,
            least_users: 1_000,
            alpha: 0.05,
            most_mixed: 0.02,
        }
    }
}

impl DecisionRules {
    /// What is wrong with them, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, problem: String| problems.extend((!fine).then_some(problem));
        check(self.least_days >= 1, "least_days is 0, must be at least 1".to_owned());
        check(self.least_users >= 2, format!("least_users is {}, must be at least 2", self.least_users));
        check(
            self.alpha > 0.0 && self.alpha < 1.0,
            format!("alpha is {}, must be between 0 and 1", self.alpha),
        );
        check(
            (0.0..=1.0).contains(&self.most_mixed),
            format!("most_mixed is {}, must be 0 to 1", self.most_mixed),
        );
        problems
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Give the variant to everybody.
    Promote,
    /// Take the variant away from everybody.
    RollBack,
    /// Wait.
    KeepRunning,
    /// Something is wrong with the experiment itself: none of its numbers may be believed.
    Invalid,
}

/// What to do about an experiment, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// What.
    pub verdict: Verdict,
    /// About which variant; none for all of them.
    pub variant: Option<String>,
    /// Why, as sentences.
    pub reasons: Vec<String>,
}

impl Decision {
    /// By what is known `now`. It may be asked as often as one likes: differences count only by intervals that hold however
    /// often one looks, with Holm's correction for several arms.
    ///
    /// * Users who did not come into the arms in the ratio that was meant, who differed before they were exposed, or too many who
    ///   saw several variants, make it [`Invalid`](Verdict::Invalid).
    /// * A guard-rail that is broken for sure, or a deciding metric that is worse for sure, rolls the variant back at once.
    /// * A deciding metric that is better for sure promotes it, after the least duration and with the least number of users, if
    ///   no guard-rail seems broken.
    pub fn new(report: &ExperimentReport, rules: &DecisionRules, now: Timestamp) -> Self {
        if let Some(reason) = invalid(report, rules) {
            return Self { verdict: Verdict::Invalid, variant: None, reasons: vec![reason] };
        }
        let Some(deciding) = report.metrics.iter().find(|metric| metric.name == rules.metric) else {
            let reason = format!("there is no metric `{}` to decide by", rules.metric);
            return Self { verdict: Verdict::Invalid, variant: None, reasons: vec![reason] };
        };
        let judged = Judged::all(report, deciding);
        let harmful = judged.iter().find_map(|arm| Some((arm, arm.harm(report, rules)?)));
        if let Some((arm, reason)) = harmful {
            return Self {
                verdict: Verdict::RollBack,
                variant: Some(arm.variant.clone()),
                reasons: vec![reason],
            };
        }
        let best = judged.iter().filter(|arm| arm.gain(rules).is_some()).max_by(|a, b| a.by_gain(b));
        let Some(best) = best else {
            let reasons = judged.iter().map(|arm| arm.undecided(deciding, rules)).collect();
            return Self { verdict: Verdict::KeepRunning, variant: None, reasons };
        };
        let mut reasons: Vec<String> = best.gain(rules).into_iter().collect();
        let waits = too_early(report, rules, now).chain(best.doubts(report)).collect::<Vec<_>>();
        let verdict = if waits.is_empty() { Verdict::Promote } else { Verdict::KeepRunning };
        reasons.extend(waits);
        Self { verdict, variant: Some(best.variant.clone()), reasons }
    }
}

fn invalid(report: &ExperimentReport, rules: &DecisionRules) -> Option<String> {
    if report.arms.len() < 2 {
        return Some("there is one arm only, and nothing to compare it with".to_owned());
    }
    if let Some(mismatch) = report.mismatch.filter(Mismatch::alarms) {
        let users: Vec<String> =
            report.arms.iter().map(|arm| format!("{} {}", arm.variant, arm.users)).collect();
        return Some(format!(
            "users did not come into the arms in the ratio that was meant ({}; p {:.1e}): look for what keeps them from being \
             exposed or counted",
            users.join(", "),
            mismatch.p
        ));
    }
    if let Some(before) = report.before.iter().find(|before| before.alarms()) {
        return Some(format!(
            "users of {} differed from the control's before they were exposed: by {:+.4} of {} (p {:.1e}); they were not divided \
             by chance",
            before.variant, before.difference, before.metric, before.p
        ));
    }
    let all: u64 = report.arms.iter().map(|arm| arm.users).sum::<u64>() + report.mixed;
    let share = report.mixed as f64 / all.max(1) as f64;
    (share > rules.most_mixed).then(|| {
        format!(
            "{:.1} % of the users saw more than one variant, at most {:.1} % may",
            share * 100.0,
            rules.most_mixed * 100.0
        )
    })
}

/// What keeps even a clear winner from being promoted.
fn too_early(
    report: &ExperimentReport,
    rules: &DecisionRules,
    now: Timestamp,
) -> impl Iterator<Item = String> {
    let days = report.first.map_or(0.0, |first| now.days_since(first));
    let young = (days < f64::from(rules.least_days))
        .then(|| format!("it has run for {days:.1} days, must run for {} at least", rules.least_days));
    let least = report.arms.iter().min_by_key(|arm| arm.users);
    let few = least.filter(|arm| arm.users < rules.least_users).map(|arm| {
        format!("{} has {} users, must have {} at least", arm.variant, arm.users, rules.least_users)
    });
    young.into_iter().chain(few)
}

/// An arm beside the control.
struct Judged<'a> {
    /// Its place among the arms other than the control.
    number: usize,
    variant: String,
    name: &'a str,
    better: Better,
    /// The deciding metric, with the p that takes other arms into account.
    compared: Option<(&'a Comparison, f64)>,
}

impl<'a> Judged<'a> {
    fn all(report: &ExperimentReport, deciding: &'a MetricReport) -> Vec<Self> {
        let p: Vec<f64> =
            deciding.compared.iter().map(|of| of.as_ref().map_or(1.0, |of| of.anytime.p)).collect();
        // All of them are between 0 and 1.
        let p = Correction::Holm.adjusted(&p).unwrap_or(p);
        let arms = report.arms.iter().skip(1).enumerate();
        let judged = arms.map(|(number, arm)| Self {
            number,
            variant: arm.variant.clone(),
            name: &deciding.name,
            better: deciding.better,
            compared: deciding.compared.get(number).and_then(Option::as_ref).zip(p.get(number).copied()),
        });
        judged.collect()
    }

    /// How much better it is, in the direction that is.
    fn improvement(&self) -> f64 {
        let sign = if self.better == Better::Higher { 1.0 } else { -1.0 };
        self.compared.map_or(0.0, |(of, _)| sign * of.absolute.estimate)
    }

    fn by_gain(&self, other: &Self) -> std::cmp::Ordering {
        self.improvement().total_cmp(&other.improvement())
    }

    /// That it is better for sure.
    fn gain(&self, rules: &DecisionRules) -> Option<String> {
        let (of, p) = self.compared.filter(|(_, p)| *p < rules.alpha)?;
        (self.improvement() > 0.0).then(|| self.said("better", of, p))
    }

    fn said(&self, how: &str, of: &Comparison, p: f64) -> String {
        let relative =
            of.relative.map_or_else(String::new, |relative| format!(", {}", percent(relative.estimate)));
        format!(
            "{} is {how} by {}: {:+.4}{relative} (p {p:.2e}, whenever one looks)",
            self.variant, self.name, of.absolute.estimate
        )
    }

    /// That it is worse for sure, or breaks a guard-rail for sure.
    fn harm(&self, report: &ExperimentReport, rules: &DecisionRules) -> Option<String> {
        let worse = self.compared.filter(|(_, p)| *p < rules.alpha && self.improvement() < 0.0);
        let worse = worse.map(|(of, p)| self.said("worse", of, p));
        worse.or_else(|| self.broken(report, |loss, _| loss).next())
    }

    /// Guard-rails that seem broken, though that is not sure.
    fn doubts(&self, report: &ExperimentReport) -> impl Iterator<Item = String> {
        self.broken(report, |_, estimate| estimate).collect::<Vec<_>>().into_iter()
    }

    /// Guard-rails by which the loss is too large: `which` chooses between the least that it is for sure and the estimate.
    fn broken(
        &self,
        report: &'a ExperimentReport,
        which: impl Fn(f64, f64) -> f64 + 'a,
    ) -> impl Iterator<Item = String> {
        let variant = self.variant.clone();
        let number = self.number;
        report.metrics.iter().filter_map(move |metric| {
            let (guard, of) = (metric.guard?, metric.compared.get(number)?.as_ref()?);
            let control = metric.arms.first().copied().flatten()?;
            let interval = of.anytime.interval;
            let (surely, about) = match metric.better {
                Better::Higher => (-interval.high, -of.absolute.estimate),
                Better::Lower => (interval.low, of.absolute.estimate),
            };
            let loss = which(surely, about);
            (loss > guard * control.abs() && loss > 0.0).then(|| {
                format!(
                    "{variant} breaks the guard-rail of {}: it is worse by {loss:.4}, at most {:.4} ({:.0} %) is allowed",
                    metric.name,
                    guard * control.abs(),
                    guard * 100.0
                )
            })
        })
    }

    fn undecided(&self, deciding: &MetricReport, rules: &DecisionRules) -> String {
        match self.compared {
            Some((of, p)) => format!(
                "{} differs by {} by {:+.4}, which may be chance: p is {p:.3}, must be below {} whenever one looks",
                self.variant, deciding.name, of.absolute.estimate, rules.alpha
            ),
            None => format!("too little is known of {} by {}", self.variant, deciding.name),
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}
