//! `reco evaluate`: models on held-out interactions.

use crate::args::{DataArgs, EvaluateArgs, Target};
use crate::{Failure, Session, model, output};
use reco_train::evaluate::{self, EvaluateOptions, ModelReport, Report, Source, Split, Versus};
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
        pipeline: session.config.pipeline.clone(),
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
    let dataset = Box::new(model::dataset(session, &args.data)?);
    Ok(match args.split.as_str() {
        "time" => Source::Split(dataset, Split::Time { test_share: args.test_share }),
        "last-one" => Source::Split(dataset, Split::LastOne),
        file => Source::Files(dataset, PathBuf::from(file)),
    })
}

const ACCURACY: [&str; 6] = ["hr", "ndcg", "recall", "precision", "map", "mrr"];
const EXPOSURE: [&str; 4] = ["coverage", "gini", "novelty", "diversity"];

fn rendered(report: &Report, cuts: &[usize]) -> String {
    let mut text = format!(
        "{} users, {} items; trained on {} interactions, tested on {}; target {:?}\n\
         {} users evaluated, {} unknown to training; left out: {} without a relevant item, {} without negatives\n\
         {} relevant items are unknown to training\n",
        report.users,
        report.items,
        report.train_interactions,
        report.test_interactions,
        report.target,
        report.users_evaluated,
        report.users_unknown_to_training,
        report.users_without_relevant,
        report.users_without_negatives,
        report.items_unknown_to_training,
    );
    for &k in cuts {
        let first = format!("at {k}");
        let header = [first.as_str()].into_iter().chain(ACCURACY).chain(EXPOSURE).chain(["train s"]);
        let mut table = output::table(header);
        report.models.iter().for_each(|model| {
            table.add_row(row(model, k));
        });
        text.push_str(&format!("{table}\n"));
    }
    text.push_str("second lines: 95 % bootstrap intervals over users\n");
    report.models.iter().for_each(|model| text.push_str(&beside_baselines(model)));
    text.trim_end().to_owned()
}

fn row(model: &ModelReport, k: usize) -> Vec<String> {
    let baseline = if model.baseline { " (baseline)" } else { "" };
    let mut row = vec![format!("{}{baseline}", model.name)];
    for name in ACCURACY {
        let key = format!("{name}@{k}");
        let (low, high) = model.intervals[&format!("{key}_ci")];
        row.push(format!("{:.4}\n{low:.3}-{high:.3}", model.metrics[&key]));
    }
    row.extend(EXPOSURE.iter().map(|name| match model.metrics[&format!("{name}@{k}")] {
        undefined if undefined.is_nan() => "-".to_owned(),
        value => format!("{value:.3}"),
    }));
    row.push(format!("{:.2}", model.train_seconds));
    row
}

/// One line per cut-off about NDCG; the other metrics are in `--json`.
fn beside_baselines(model: &ModelReport) -> String {
    let of_ndcg = model.versus.iter().filter(|(key, _)| key.starts_with("ndcg@"));
    of_ndcg
        .map(|(key, Versus { baseline, difference, ci: (low, high) })| {
            let metric = key.trim_end_matches("_vs_baseline");
            format!(
                "{}: {metric} {difference:+.4} beside {baseline}, 95 % {low:+.4} to {high:+.4} (paired)\n",
                model.name
            )
        })
        .collect()
}
