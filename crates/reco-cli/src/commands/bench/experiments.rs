//! `reco bench experiments`: how often tests err that are looked at every day.

use crate::args::ExperimentsArgs;
use crate::{Failure, Session, output};
use reco_core::experiment::statistics::{Peeking, Watch, Watched};
use serde::Serialize;
use std::time::Instant;

#[derive(Debug, Serialize)]
struct Report {
    experiments: Peeking,
    tests: [Watched; 4],
    seconds: f64,
}

pub(super) fn run(session: &Session, args: &ExperimentsArgs) -> Result<(), Failure> {
    let experiments = Peeking {
        runs: args.runs,
        days: args.days,
        users_per_day: args.users_per_day,
        rate: args.rate,
        lift: args.lift,
        alpha: args.alpha,
        seed: args.seed,
    };
    let begun = Instant::now();
    let tests = experiments.watched()?;
    let report = Report { experiments, tests, seconds: begun.elapsed().as_secs_f64() };
    session.output.result(&report, rendered)
}

fn rendered(report: &Report) -> String {
    let mut table = output::table(["test", "told of a difference", "share", "95 % interval", "mean day"]);
    for told in &report.tests {
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        table.add_row([
            name(told.watch).to_owned(),
            told.found.to_string(),
            percent(told.share),
            format!("{} to {}", percent(told.interval.low), percent(told.interval.high)),
            told.mean_day.map_or_else(|| "-".to_owned(), |day| format!("{day:.1}")),
        ]);
    }
    let Peeking { runs, days, users_per_day, rate, lift, alpha, .. } = report.experiments;
    let arms = if lift == 0.0 { "arms that do not differ".to_owned() } else { format!("a lift of {lift}") };
    format!(
        "{runs} experiments of {days} days, {users_per_day} new users an arm and day, a rate of {rate}, {arms}; \
         alpha {alpha}\n{table}\nsimulated in {:.1} s",
        report.seconds
    )
}

fn name(watch: Watch) -> &'static str {
    match watch {
        Watch::ZTestDaily => "z-test, looked at every day",
        Watch::ZTestAtEnd => "z-test, once at the end",
        Watch::ConfidenceSequence => "confidence sequence, every day",
        Watch::Msprt => "mSPRT, every day",
    }
}
