//! `reco bench launch`: what introducing new items costs, on users who are made up.

use crate::args::LaunchArgs;
use crate::{Failure, Session, output};
use rayon::prelude::*;
use reco_train::launch::{EpsilonGreedy, Launching, Outcome, Policy, Thompson, World, simulate};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Study {
    world: World,
    outcomes: Vec<Outcome>,
}

/// Share of pages that the greedy policy tries things out on.
const EPSILON: f64 = 0.1;

pub(crate) fn run(session: &Session, args: &LaunchArgs) -> Result<(), Failure> {
    let usual = World::default();
    let world = World { days: args.days.max(1), pages: args.pages.max(1), seed: args.seed, ..usual };
    let launch = &session.config.pipeline.launch;
    let outcomes = (0..4u8).into_par_iter().map(|number| {
        let mut policy: Box<dyn Policy> = match number {
            0 => Box::new(Launching::new(launch.clone(), world.usual)),
            1 => Box::new(EpsilonGreedy::new(EPSILON, world.usual)),
            2 => Box::new(EpsilonGreedy::online(EPSILON, world.usual)),
            _ => Box::new(Thompson::new(world.usual)),
        };
        simulate(&world, &mut *policy)
    });
    let outcomes = outcomes.collect();
    session.output.result(&Study { world, outcomes }, |study| table(&study.outcomes))
}

fn table(outcomes: &[Outcome]) -> String {
    let mut table = output::table([
        "policy",
        "clicks a 1,000 pages",
        "regret",
        "by good items",
        "by bad items",
        "a bad item shown",
        "at most",
        "days to its place",
    ]);
    for outcome in outcomes {
        let days = outcome.days_to_place.map_or_else(|| "never".to_owned(), |days| days.to_string());
        table.add_row([
            outcome.policy.to_owned(),
            format!("{:.2}", outcome.clicks),
            format!("{:.3}", outcome.regret),
            format!("{:.3}", outcome.regret_of_good),
            format!("{:.3}", outcome.regret_of_bad),
            format!("{:.0}", outcome.shown_bad.0),
            outcome.shown_bad.1.to_string(),
            days,
        ]);
    }
    table.to_string()
}
