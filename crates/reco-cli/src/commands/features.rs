//! `reco features`: what a learned ranker is told of every candidate.

use crate::args::FeaturesArgs;
use crate::{Failure, Session, model, output};
use reco_core::features::{Feature, FeatureSchema};
use reco_core::file;
use reco_train::fit::rehearsal::Cuts;
use reco_train::fit::{rankers, snapshot};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Serialize)]
struct Described {
    features: Vec<Feature>,
}

#[derive(Debug, Serialize)]
struct Exported {
    file: PathBuf,
    lists: usize,
    rows: usize,
    taken: usize,
    features: usize,
}

pub(crate) fn run(session: &Session, args: &FeaturesArgs) -> Result<(), Failure> {
    match &args.export {
        Some(path) => export(session, args, path),
        None => describe(session, args),
    }
}

fn describe(session: &Session, args: &FeaturesArgs) -> Result<(), Failure> {
    let dataset = model::dataset(session, &args.data)?;
    let config = &session.config;
    let features = snapshot::features(&dataset, &config.train, &config.pipeline, &config.weights)?;
    session.output.result(&Described { features }, |described| {
        let mut table = output::table(["feature", "kind", "default", "ttl", "what it says"]);
        for feature in &described.features {
            let shown =
                |number: Option<f32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let ttl = feature.ttl_days.map_or_else(|| "-".to_owned(), |days| format!("{days} d"));
            table.add_row([
                feature.name.to_string(),
                feature.kind.to_string(),
                shown(feature.default),
                ttl,
                feature.about.to_string(),
            ]);
        }
        format!("{table}\n{} features", described.features.len())
    })
}

fn export(session: &Session, args: &FeaturesArgs, path: &Path) -> Result<(), Failure> {
    let named = |cause| format!("{}: {cause}", path.display());
    file::check(path).map_err(named)?;
    let dataset = model::dataset(session, &args.data)?;
    let config = &session.config;
    let schema = FeatureSchema::default();
    let examples = rankers::examples(
        &dataset,
        &config.train,
        &config.pipeline,
        &schema,
        Cuts { held_out: args.held_out, count: args.cuts },
        &config.weights,
        &*session.progress,
    )?;
    let examples = examples.ok_or("too few users came back in the share held out to learn from")?;
    examples.save(&dataset.log.users, &dataset.catalog, path).map_err(named)?;
    let exported = Exported {
        file: path.to_owned(),
        lists: examples.lists.len(),
        rows: examples.items.len(),
        taken: examples.n_taken(),
        features: examples.width(),
    };
    session.output.result(&exported, |exported| {
        let Exported { lists, rows, taken, features, .. } = exported;
        format!(
            "{lists} lists with {rows} candidates, {taken} of them taken, of {features} features\nwrote {}",
            exported.file.display()
        )
    })
}
