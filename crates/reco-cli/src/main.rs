//! The `reco` command: serve, import, train, score, recommend, similar, models, runs, features, evaluate, tune, stats,
//! config.

mod args;
mod bars;
mod caches;
mod commands;
mod config;
mod consumers;
mod demo;
mod events;
mod experiments;
mod exposures;
mod fleet;
mod keeper;
mod lists;
mod model;
mod npy;
mod output;
mod pages;
mod past;
mod registry;
mod remarks;
mod rollouts;
mod slips;
mod states;
mod watch;

use args::{Cli, Command, Global, ServeArgs};
use output::{Complaint, Output, unless_unread};
use reco_train::data::{BadRow, DataError};
use reco_train::evaluate::EvaluateError;
use reco_train::progress::{Progress, Silent};
use slips::Slips;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Keeps the large buffers that the steps of a training run take and give back, instead of mapping them anew.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anything a command can fail with; its text is for people.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What every command gets.
struct Session {
    config: config::Config,
    output: Output,
    progress: Box<dyn Progress>,
    /// How much of it is told.
    talk: Talk,
}

/// How progress is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    Nothing,
    /// To logs and pipes.
    Lines,
    /// To a terminal.
    Bars,
}

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return answered(&error),
    };
    let output = Output { json: cli.global.json };
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.complain(&Complaint::failure(&*failure, bad_row(&*failure)));
            ExitCode::FAILURE
        }
    }
}

/// Prints help or the version, or says how the command line is to be used; for machines when they asked for JSON.
fn answered(error: &clap::Error) -> ExitCode {
    let output = Output { json: std::env::args_os().any(|arg| arg == "--json") };
    if error.use_stderr() && output.json {
        let message = error.render().to_string();
        output.complain(&Complaint::usage(message.trim().trim_start_matches("error: ")));
    } else if let Err(cause) = unless_unread(error.print()) {
        output.complain(&Complaint::failure(&cause, None));
        return ExitCode::FAILURE;
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The row that a failure blames, if it is one.
fn bad_row<'a>(failure: &'a (dyn std::error::Error + 'static)) -> Option<&'a BadRow> {
    let of_evaluation = || match failure.downcast_ref() {
        Some(EvaluateError::Data(error)) => Some(error),
        _ => None,
    };
    match failure.downcast_ref().or_else(of_evaluation)? {
        DataError::BadRow(row) | DataError::TooManyBadRows { first: row, .. } => Some(row),
        _ => None,
    }
}

fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    let (session, problems) = session(&cli.global, output);
    let command = cli.command.unwrap_or(Command::Serve(ServeArgs::default()));
    Slips::none_of(problems.into_iter().chain(slips(&session, &command)))?;
    match command {
        Command::Serve(args) => commands::serve::run(&session, &args)?,
        Command::Import(args) => commands::import::run(&session, &args)?,
        Command::Train(args) => commands::train::run(&session, &args)?,
        Command::Score(args) => commands::score::run(&session, &args)?,
        Command::Precompute(args) => commands::precompute::run(&session, &args)?,
        Command::Recommend(args) => commands::page::recommend(&session, &args)?,
        Command::Similar(args) => commands::page::similar(&session, &args)?,
        Command::Models(args) => commands::models::run(&session, &args)?,
        Command::Rollout(args) => commands::rollout::run(&session, &args)?,
        Command::Runs(args) => commands::runs::run(&session, &args)?,
        Command::Features(args) => commands::features::run(&session, &args)?,
        Command::Evaluate(args) => commands::evaluate::run(&session, &args)?,
        Command::Tune(args) => commands::tune::run(&session, &args)?,
        Command::Events(args) => commands::events::run(&session, &args)?,
        Command::Experiment(args) => commands::experiment::run(&session, &args)?,
        Command::Replay(args) => commands::replay::run(&session, &args)?,
        Command::Rebuild(args) => commands::rebuild::run(&session, &args)?,
        Command::Stats(args) => commands::stats::run(&session, &args)?,
        Command::Bench(args) => commands::bench::run(&session, &args)?,
        Command::Config(args) => commands::config::run(&session, &args)?,
    }
    Ok(())
}

/// What a command can know to be wrong before it begins, beside its configuration.
fn slips(session: &Session, command: &Command) -> Vec<String> {
    match command {
        Command::Train(args) => commands::train::slips(session, args),
        Command::Tune(args) => commands::tune::slips(session, args),
        Command::Evaluate(args) => model::slips(session, &args.to_train_on()),
        Command::Import(args) => model::slips(session, &args.data),
        Command::Features(args) => model::slips(session, &args.data),
        Command::Bench(args) => commands::bench::slips(args),
        _ => Vec::new(),
    }
}

/// What every command gets, and what is wrong with its configuration.
fn session(global: &Global, output: Output) -> (Session, Vec<String>) {
    let (config, problems) = config::load(global, environment(), output);
    let talk = match global.quiet || global.json {
        true => Talk::Nothing,
        false if std::io::stderr().is_terminal() => Talk::Bars,
        false => Talk::Lines,
    };
    let progress: Box<dyn Progress> = match talk {
        Talk::Nothing => Box::new(Silent),
        Talk::Lines => Box::new(bars::Lines::default()),
        Talk::Bars => Box::new(bars::Bars::default()),
    };
    (Session { config, output, progress, talk }, problems)
}

/// The environment as text; a variable that is none cannot be a setting of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
