//! `reco evaluate`: models on held-out interactions.

use crate::args::{DataArgs, EvaluateArgs, Target};
use crate::{Failure, Session, model, output};
use reco_train::evaluate::{self, EvaluateOptions, Report, Source, Split};
use std::path::PathBuf;

pub(crate) fn run(session: &Session, args: &EvaluateArgs) -> Result<(), Failure> {
    let options = EvaluateOptions {
        target: match args.target {
            Target::All => evaluate::Target::All,
            Target::New => evaluate::Target::New,
        },
        models: args.model.clone(),
        k: args.k.clone(),
        negatives: args.negatives.clone(),
        plan: session.config.train.clone(),
        weights: session.config.weights.clone(),
        seed: args.seed,
    };
    let report = evaluate::run(source(session, args)?, &options, &*session.progress)?;
    if session.json {
        return output::json(&report);
    }
    output::text(&rendered(&report, &args.k));
    Ok(())
}

fn source(session: &Session, args: &EvaluateArgs) -> Result<Source, Failure> {
    if let (Some(train), Some(test)) = (&args.train, &args.test) {
        let data = DataArgs { interactions: Some(train.clone()), ..args.data.clone() };
        return Ok(Source::Files(Box::new(model::dataset(session, &data)?), test.clone()));
    }
    if !(args.test_share > 0.0 && args.test_share < 1.0) {
        return Err(format!("--test-share is {}, must be between 0 and 1", args.test_share).into());
    }
    let dataset = Box::new(model::dataset(session, &args.data)?);
    Ok(match args.split.as_str() {
        "time" if !dataset.log.has_times() => {
            return Err("--split time needs interactions with a timestamp".into());
        }
        "time" => Source::Split(dataset, Split::Time { test_share: args.test_share }),
        "last-one" => Source::Split(dataset, Split::LastOne),
        file => Source::Files(dataset, PathBuf::from(file)),
    })
}

fn rendered(report: &Report, cuts: &[usize]) -> String {
    let mut text = format!(
        "{} users, {} items; trained on {} interactions, tested on {}; target {:?}\n{} users evaluated, {} without a relevant item, {} unknown to training\n",
        report.users,
        report.items,
        report.train_interactions,
        report.test_interactions,
        report.target,
        report.users_evaluated,
        report.users_without_relevant,
        report.users_unknown_to_training,
    );
    let accuracy = ["hr", "ndcg", "recall", "precision", "map", "mrr"];
    let other = ["coverage", "gini", "novelty", "diversity"];
    for k in cuts {
        let header = [format!("at {k}")]
            .into_iter()
            .chain(accuracy.iter().chain(&other).map(|name| (*name).to_owned()));
        let header: Vec<String> = header.chain(["train s".to_owned()]).collect();
        let mut table = output::table(header.iter().map(String::as_str));
        for model in &report.models {
            let mut row = vec![format!("{}{}", model.name, if model.baseline { " (baseline)" } else { "" })];
            for name in accuracy {
                let key = format!("{name}@{k}");
                let (low, high) = model.intervals[&format!("{key}_ci")];
                row.push(format!("{:.4}\n{low:.3}-{high:.3}", model.metrics[&key]));
            }
            row.extend(other.iter().map(|name| format!("{:.3}", model.metrics[&format!("{name}@{k}")])));
            row.push(format!("{:.2}", model.train_seconds));
            table.add_row(row);
        }
        text.push_str(&format!("{table}\n"));
    }
    text.push_str("second lines: 95 % bootstrap intervals over users");
    text
}
