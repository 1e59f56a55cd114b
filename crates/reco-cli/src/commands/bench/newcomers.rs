//! `reco bench newcomers`: how well those are served who have just come.

use crate::args::NewcomersArgs;
use crate::{Failure, Session, model, output};
use reco_core::file;
use reco_core::onboarding::OnboardingConfig;
use reco_core::pipeline::PipelineConfig;
use reco_core::rerank::RerankConfig;
use reco_train::evaluate::{ArrivalOptions, ArrivalReport, Curve, Point, arrivals};
use reco_train::report::plot_arrivals;
use std::path::Path;

/// Beyond it a page is no page.
const LONGEST: usize = 1_000;

pub(super) fn slips(args: &NewcomersArgs) -> Vec<String> {
    let mut slips = Vec::new();
    if !(1..=LONGEST).contains(&args.k) {
        slips.push(format!("--k is {}, must be between 1 and {LONGEST}", args.k));
    }
    if !args.after.is_sorted_by(|one, next| one < next) {
        slips.push("--after must name numbers that grow".to_owned());
    }
    slips
}

pub(super) fn run(session: &Session, args: &NewcomersArgs) -> Result<(), Failure> {
    if let Some(path) = &args.plot {
        file::check(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    }
    let (dataset, mut remarks) = model::dataset_with_remarks(session, &args.data)?;
    let configured = &session.config.pipeline;
    let exploring = OnboardingConfig::exploring();
    // What rules for the page as a whole cost is told apart from what the ranking finds.
    let unruled = RerankConfig { trending_gain: None, per_category: None, ..configured.rerank.clone() };
    let with_rules = |rerank: RerankConfig| PipelineConfig { rerank, ..configured.clone() };
    let options = ArrivalOptions {
        test_share: args.test_share,
        after: args.after.clone(),
        k: args.k,
        plan: session.config.train.clone(),
        pipelines: vec![
            ("pipeline".to_owned(), configured.clone()),
            ("pipeline without page rules".to_owned(), with_rules(unruled)),
            ("exploring".to_owned(), PipelineConfig { onboarding: Some(exploring), ..configured.clone() }),
        ],
        weights: session.config.weights.clone(),
        seed: args.seed,
    };
    let mut report = arrivals(&dataset, &options, &*session.progress)?;
    remarks.append(&mut report.remarks);
    report.remarks = remarks;
    if let Some(path) = &args.plot {
        draw(&report, path)?;
    }
    session.output.result(&report, rendered)?;
    session.output.remarks(&report.remarks);
    Ok(())
}

fn draw(report: &ArrivalReport, path: &Path) -> Result<(), Failure> {
    let svg = plot_arrivals(report)?;
    Ok(file::replace(path, |file| std::io::Write::write_all(file, svg.as_bytes()))
        .map_err(|cause| format!("{}: {cause}", path.display()))?)
}

fn rendered(report: &ArrivalReport) -> String {
    let ArrivalReport { cut, train_interactions, users, users_hidden, k, curves, .. } = report;
    let steps = curves.first().map_or(&[][..], |curve| &curve.points);
    let header = |what: String| {
        let after = steps.iter().map(|point| format!("after {}", point.after));
        let names: Vec<String> = std::iter::once(what).chain(after).collect();
        output::table(names.iter().map(String::as_str))
    };
    let mut recall = header(format!("recall@{k}"));
    let mut ndcg = header(format!("NDCG@{k}"));
    let with_interval =
        |value: f64, (low, high): (f64, f64)| vec![format!("{value:.4}"), format!("{low:.3}-{high:.3}")];
    for Curve { name, points } in curves {
        let cells = |cell: &dyn Fn(&Point) -> Vec<String>| {
            std::iter::once(vec![name.clone()]).chain(points.iter().map(cell)).collect::<Vec<_>>()
        };
        recall.add_row_of_lines(cells(&|point| with_interval(point.recall, point.recall_ci)));
        ndcg.add_row_of_lines(cells(&|point| with_interval(point.ndcg, point.ndcg_ci)));
    }
    let mut text = format!(
        "trained on {train_interactions} interactions before {}; {users} new users, of whom {users_hidden} are \
         new to training only\n{recall}\n{ndcg}\nsecond lines: 95 % bootstrap intervals over users\n",
        reco_train::data::written(*cut)
    );
    for Curve { name, points } in curves {
        for Point { after, ahead_of, .. } in points {
            for (baseline, (difference, (low, high))) in ahead_of {
                text.push_str(&format!(
                    "{name} after {after}: recall@{k} {difference:+.4} beside {baseline}, 95 % {low:+.4} to {high:+.4} (paired)\n"
                ));
            }
        }
    }
    text.trim_end().to_owned()
}
