//! `reco evaluate`: models on held-out interactions.

use crate::args::{EvaluateArgs, Target};
use crate::{Failure, Session, model, output, remarks as known};
use reco_core::file;
use reco_train::data::ImportSpec;
use reco_train::evaluate::{self, EvaluateOptions, ModelReport, Report, Source, Split, Versus};
use std::path::{Path, PathBuf};

pub(crate) fn run(session: &Session, args: &EvaluateArgs) -> Result<(), Failure> {
    if args.off_policy {
        return super::off_policy::run(session, args);
    }
    if let Some(path) = &args.per_user {
        file::check(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    }
    let (source, like, mut remarks) = source(session, args)?;
    let options = EvaluateOptions {
        target: match args.target {
            Target::All => evaluate::Target::All,
            Target::New => evaluate::Target::New,
        },
        models: args.model.clone(),
        k: args.k.clone(),
        negatives: args.negatives.as_ref().map(|path| pairs(&like, path)),
        plan: session.config.train.clone(),
        pipeline: session.config.pipeline.clone(),
        weights: session.config.weights.clone(),
        seed: args.seed,
    };
    let mut report = evaluate::run(source, &options, &*session.progress)?;
    for name in &args.model {
        let ranker = evaluate::ranker_of(name, &options).map_err(evaluate::EvaluateError::from)?;
        remarks.extend(ranker.as_ref().and_then(known::on_ranker));
    }
    remarks.append(&mut report.remarks);
    report.remarks = remarks;
    if let Some(path) = &args.per_user {
        report.per_user.save(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    }
    session.output.result(&report, |report| rendered(report, &args.k))?;
    session.output.remarks(&report.remarks);
    Ok(())
}

/// What to evaluate on, how the training data is called and written, and what to know about it.
fn source(session: &Session, args: &EvaluateArgs) -> Result<(Source, ImportSpec, Vec<String>), Failure> {
    let data = args.to_train_on();
    let like = session.config.import(&data)?;
    let test = test_file(args, like.is_some())?;
    if args.test_share.is_some() && args.split != TIME {
        return Err(format!("--test-share has no use with --split {}", args.split).into());
    }
    let like = like.unwrap_or_default();
    let (dataset, remarks) = model::dataset_with_remarks(session, &data)?;
    let dataset = Box::new(dataset);
    let source = match test {
        Some(path) => Source::Files(dataset, Box::new(like.beside(path))),
        None if args.split == LAST_ONE => Source::Split(dataset, Split::LastOne),
        None => Source::Split(dataset, Split::Time { test_share: args.test_share.unwrap_or(TEST_SHARE) }),
    };
    Ok((source, like, remarks))
}

const TIME: &str = "time";
/// Share of the interactions that tests unless told.
const TEST_SHARE: f64 = 0.1;
const LAST_ONE: &str = "last-one";

/// The file that tests; none where interactions are to be split.
fn test_file(args: &EvaluateArgs, has_data: bool) -> Result<Option<PathBuf>, String> {
    if args.test.is_some() {
        return Ok(args.test.clone());
    }
    if args.split == TIME || args.split == LAST_ONE {
        return Ok(None);
    }
    let path = PathBuf::from(&args.split);
    if !path.exists() {
        return Err(format!(
            "--split {}: must be {TIME}, {LAST_ONE} or a file of test interactions; there is no such file",
            args.split
        ));
    }
    if !has_data {
        return Err(format!(
            "--split {} tests on that file: name what to train on with --interactions FILE",
            args.split
        ));
    }
    Ok(Some(path))
}

/// User, item pairs in a file whose columns of users and items are called as in another one.
fn pairs(like: &ImportSpec, path: &Path) -> ImportSpec {
    let mut spec = like.beside(path);
    if let Some(file) = &mut spec.interactions {
        file.columns.retain(|field, _| field == "user" || field == "item");
    }
    spec
}

const ACCURACY: [&str; 6] = ["hr", "ndcg", "recall", "precision", "map", "mrr"];
const EXPOSURE: [&str; 4] = ["coverage", "gini", "novelty", "diversity"];

fn rendered(report: &Report, cuts: &[usize]) -> String {
    let mut text = format!(
        "{} users, {} items; trained on {} interactions, tested on {}; {}\n\
         {} users evaluated, {} unknown to training; left out: {} without a relevant item, {} without negatives\n\
         {} relevant items are unknown to training\n",
        report.users,
        report.items,
        report.train_interactions,
        report.test_interactions,
        match report.target {
            evaluate::Target::All => "asked what comes next",
            evaluate::Target::New => "asked what new comes next",
        },
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
            table.add_row_of_lines(row(model, k));
        });
        text.push_str(&format!("{table}\n"));
    }
    if report.models.iter().any(|model| !model.intervals.is_empty()) {
        text.push_str("second lines: 95 % bootstrap intervals over users\n");
    }
    report.models.iter().for_each(|model| text.push_str(&beside_baselines(model)));
    text.trim_end().to_owned()
}

/// The cells of a model; below a metric is its interval, if it has one.
fn row(model: &ModelReport, k: usize) -> Vec<Vec<String>> {
    let baseline = if model.baseline { " (baseline)" } else { "" };
    let mut row = vec![vec![format!("{}{baseline}", model.name)]];
    for name in ACCURACY {
        let key = format!("{name}@{k}");
        let interval = model.intervals.get(&format!("{key}_ci"));
        let interval = interval.map(|(low, high)| format!("{low:.3}-{high:.3}"));
        row.push([format!("{:.4}", model.metrics[&key])].into_iter().chain(interval).collect());
    }
    row.extend(EXPOSURE.iter().map(|name| match model.metrics[&format!("{name}@{k}")] {
        undefined if undefined.is_nan() => vec!["-".to_owned()],
        value => vec![format!("{value:.3}")],
    }));
    row.push(vec![format!("{:.2}", model.train_seconds)]);
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
