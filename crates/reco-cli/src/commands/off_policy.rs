//! `reco evaluate --off-policy`: what the settings in effect would have earned on pages that were served.

use crate::args::{EvaluateArgs, ModelArgs};
use crate::output::table;
use crate::past::{By, Past, Try};
use crate::{Failure, Session};
use reco_core::event::{Action, Event};
use reco_core::id::ItemKey;
use reco_core::pipeline::{PageRecord, ShownItem};
use reco_core::store::DurableLog;
use reco_core::time::Timestamp;
use reco_train::off_policy::{self, Estimate, Estimator, Logged, OffPolicyReport};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was found, and what it rests on.
#[derive(Debug, Serialize)]
struct Found {
    pages: usize,
    /// Pages that could not be made again as they were, so that nobody knows what else could have stood there.
    left_out: usize,
    reward: String,
    #[serde(flatten)]
    report: OffPolicyReport,
}

pub(crate) fn run(session: &Session, args: &EvaluateArgs) -> Result<(), Failure> {
    if !(args.within_hours > 0.0 && args.within_hours.is_finite()) {
        return Err(format!("--within-hours is {}, must be above 0", args.within_hours).into());
    }
    let model = ModelArgs { data: args.data.clone(), ..ModelArgs::default() };
    let (mut past, records) = Past::open(session, &model)?;
    let rewards = Rewards::read(session, args)?;
    let target = match args.version {
        Some(role) => By::Version(&session.config.pipeline, past.number(role)?),
        None => By::Settings(&session.config.pipeline),
    };
    let explored: Vec<&PageRecord> = records.iter().filter(|record| explores(record)).collect();
    if explored.is_empty() {
        return Err("chance filled no place of the pages that were written down: without pipeline.explore nothing can be told".into());
    }
    session.progress.begin("judging pages", explored.len() as u64);
    let (mut places, mut left_out) = (Vec::new(), 0);
    past.each(explored.iter().copied(), |past, record, Try { is_last, .. }| {
        let logged = past.maker(record, By::Own)?.chances(record)?;
        let is_same = is_as_it_was(record, &logged);
        if is_same {
            let wanted = past.maker(record, target)?.chances(record)?;
            places.extend(of_page(record, &logged, &wanted, &rewards));
        } else if is_last {
            left_out += 1;
        }
        session.progress.advance(u64::from(is_same || is_last));
        Ok(is_same)
    })?;
    session.progress.end("");
    if places.is_empty() {
        return Err(format!(
            "none of {left_out} pages could be made again as it was; `reco replay` says why"
        )
        .into());
    }
    let mut report = off_policy::evaluate(&places)?;
    if left_out > 0 {
        let n_pages = explored.len();
        report.warnings.push(format!(
            "{left_out} of {n_pages} pages are left out, for they could not be made again as they were; `reco replay` says why"
        ));
    }
    let reward = if args.reward_value { format!("value of {}", args.reward) } else { args.reward.clone() };
    let found = Found { pages: explored.len() - left_out, left_out, reward, report };
    session.output.result(&found, rendered)
}

/// Whether chance filled a place.
fn explores(record: &PageRecord) -> bool {
    record.items.iter().any(|shown| shown.propensity.is_some_and(|propensity| propensity < 1.0))
}

/// Whether what stood there had just the chances that were noted.
fn is_as_it_was(record: &PageRecord, logged: &[Vec<(ItemKey, f64)>]) -> bool {
    let is_same = |(shown, chances): (&ShownItem, &Vec<(ItemKey, f64)>)| {
        let found = chances.iter().find(|(item, _)| *item == shown.item).map(|(_, chance)| *chance);
        found
            .zip(shown.propensity)
            .is_some_and(|(found, noted)| (found - noted).abs() <= 1e-6 * noted.max(1e-3))
    };
    logged.len() == record.items.len() && record.items.iter().zip(logged).all(is_same)
}

/// The places of a page that were filled by chance.
fn of_page<'a>(
    record: &'a PageRecord,
    logged: &'a [Vec<(ItemKey, f64)>],
    wanted: &'a [Vec<(ItemKey, f64)>],
    rewards: &'a Rewards,
) -> impl Iterator<Item = Logged> + 'a {
    let places = record.items.iter().zip(logged).zip(wanted).zip(1..);
    let by_chance = places.filter(|(((_, logged), _), _)| logged.len() > 1);
    by_chance.filter_map(move |(((shown, logged), wanted), place): (_, usize)| {
        let mut chances: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        logged.iter().for_each(|(item, chance)| chances.entry(item.as_str()).or_default().0 += chance);
        wanted.iter().for_each(|(item, chance)| chances.entry(item.as_str()).or_default().1 += chance);
        Some(Logged {
            user: record.request.user.to_string(),
            context: format!("{} {place}", record.request.surface.name()),
            shown: chances.keys().position(|item| *item == shown.item.as_str())?,
            items: chances.keys().map(ToString::to_string).collect(),
            logged: chances.values().map(|(logged, _)| *logged).collect(),
            target: chances.values().map(|(_, target)| *target).collect(),
            reward: rewards.of(record, &shown.item),
        })
    })
}

/// The events that count, by user and item.
struct Rewards {
    events: BTreeMap<(String, String), Vec<Reward>>,
    within_hours: f64,
}

struct Reward {
    at: Timestamp,
    request: Option<Arc<str>>,
    value: f64,
}

impl Rewards {
    fn read(session: &Session, args: &EvaluateArgs) -> Result<Self, Failure> {
        let action = Action::from(args.reward.as_str());
        let mut events: BTreeMap<_, Vec<Reward>> = BTreeMap::new();
        for found in DurableLog::look(&session.config.events.path, 0)? {
            // What cannot be read is told where pages are made again.
            let Ok(delivery) = found else { continue };
            let Event { user, item, action: of, value, at, details, .. } = delivery.event;
            if of == action {
                let value = if args.reward_value { f64::from(value.unwrap_or_default()) } else { 1.0 };
                let request = details.and_then(|details| details.request);
                let of_both = events.entry((user.to_string(), item.to_string())).or_default();
                of_both.push(Reward { at, request, value });
            }
        }
        Ok(Self { events, within_hours: args.within_hours })
    }

    /// What came of showing an item: events that name another page do not count for this one.
    fn of(&self, record: &PageRecord, item: &ItemKey) -> f64 {
        let events = self.events.get(&(record.request.user.to_string(), item.to_string()));
        let counts = |reward: &&Reward| {
            let hours = reward.at.days_since(record.at) * 24.0;
            (0.0..=self.within_hours).contains(&hours)
                && reward.request.as_ref().is_none_or(|request| *request == record.id)
        };
        events.into_iter().flatten().filter(counts).map(|reward| reward.value).sum()
    }
}

fn rendered(Found { pages, left_out, reward, report }: &Found) -> String {
    let OffPolicyReport { places, users, logging, target, effective_places, warnings } = report;
    let mut table = table(["policy", "estimated by", &format!("{reward} per place"), "95 % interval"]);
    let mut row = |policy: &str, how: &str, Estimate { value, low, high }: &Estimate| {
        let interval = format!("{low:.4} to {high:.4}");
        table.add_row([policy, how, &format!("{value:.4}"), &interval]);
    };
    row("as served", "counted", logging);
    for (estimator, estimate) in target {
        row("in question", name(*estimator), estimate);
    }
    let left_out = if *left_out > 0 { format!(" ({left_out} more are left out)") } else { String::new() };
    let warnings: String = warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    format!(
        "{places} places of {pages} pages{left_out}, seen by {users} users; they tell as much of the policy in question as \
         {effective_places:.0} of its own\n{table}\n{warnings}"
    )
}

fn name(estimator: Estimator) -> &'static str {
    match estimator {
        Estimator::Ips => "inverse propensity (IPS)",
        Estimator::Snips => "self-normalised (SNIPS)",
        Estimator::Clipped => "clipped weights",
        Estimator::Direct => "direct method",
        Estimator::DoublyRobust => "doubly robust",
    }
}
