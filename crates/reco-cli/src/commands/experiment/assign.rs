//! `reco experiment assign`: who is put where.

use super::{known, no_such};
use crate::args::AssignArgs;
use crate::{Failure, Session};
use reco_core::experiment::{ExperimentConfig, Experiments, HashVersion, NoMemory, Subject, Unit};
use reco_core::id::UserKey;
use reco_core::request::Surface;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Where a value stands.
#[derive(Serialize)]
struct Assigned<'a> {
    seed: &'a str,
    value: &'a str,
    hash_version: u8,
    /// From 0 to below 1; none by a hash that there is not.
    bucket: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<InExperiment>,
}

#[derive(Serialize)]
struct InExperiment {
    name: String,
    /// None outside of it.
    variant: Option<String>,
    /// Its position, 0 for the control.
    index: Option<u8>,
    /// What the header `X-Experiment` says.
    header: Option<String>,
}

pub(super) fn assign(session: &Session, args: &AssignArgs) -> Result<(), Failure> {
    let found = args.experiment.as_deref().map(|name| experiment(session, args, name)).transpose()?;
    let config = found.as_ref().map(|(_, config)| config);
    let named = config.and_then(|config| config.seed.clone()).or_else(|| Some(found.as_ref()?.0.clone()));
    let seed = args.seed.clone().or(named).unwrap_or_default();
    let version = args.hash_version.or_else(|| Some(config?.hash_version.into())).unwrap_or(2);
    let hash = HashVersion::try_from(version);
    if let Err(problem) = &hash {
        session.output.note(problem);
    }
    let assigned = Assigned {
        seed: &seed,
        value: &args.value,
        hash_version: version,
        bucket: hash.ok().map(|hash| hash.place(&seed, &args.value)),
        experiment: found.map(|(name, config)| in_experiment(args, name, config)).transpose()?,
    };
    session.output.result(&assigned, |assigned| rendered(assigned))
}

/// The experiment that is meant, with the seed and the hash that were asked for.
fn experiment(
    session: &Session,
    args: &AssignArgs,
    text: &str,
) -> Result<(String, ExperimentConfig), Failure> {
    let known = known(session)?;
    let (name, mut config) = if text.trim_start().starts_with('{') {
        let config = serde_json::from_str(text).map_err(|cause| format!("--experiment: {cause}"))?;
        ("experiment".to_owned(), config)
    } else {
        let config = known.get(text).ok_or_else(|| format!("--experiment {}", no_such(&known, text)))?;
        (text.to_owned(), config.clone())
    };
    config.seed = args.seed.clone().or(config.seed);
    if let Some(version) = args.hash_version {
        config.hash_version = HashVersion::try_from(version)?;
    }
    Ok((name, config))
}

fn in_experiment(args: &AssignArgs, name: String, config: ExperimentConfig) -> Result<InExperiment, Failure> {
    let attributes: Map<String, Value> = match &args.attributes {
        Some(text) => serde_json::from_str(text).map_err(|cause| format!("--attributes: {cause}"))?,
        None => Map::new(),
    };
    let surface = config.surfaces.first().map_or(Surface::Home, |name| match name.as_str() {
        "similar" => Surface::Similar("".into()),
        "category" => Surface::Category("".into()),
        _ => Surface::Home,
    });
    // A session is hashed by the key that stands for it.
    let session = (config.by == Unit::Session).then_some(args.value.as_str());
    let experiments = Experiments::new(BTreeMap::from([(name.clone(), config)]), BTreeMap::new())
        .map_err(|problems| problems.join("\n"))?;
    let user = UserKey::from(args.value.as_str());
    let subject = Subject { user: &user, session, attributes: &attributes };
    let assigned = experiments.assign(subject, &surface, &NoMemory);
    let variant = assigned.first();
    Ok(InExperiment {
        name,
        variant: variant.map(|of| of.variant.to_string()),
        index: variant.map(|of| of.arm.0),
        header: Experiments::header(&assigned),
    })
}

fn rendered(assigned: &Assigned<'_>) -> String {
    let Assigned { seed, value, hash_version, bucket, experiment } = assigned;
    let place = bucket.map_or_else(|| "none".to_owned(), |bucket| format!("{bucket} of 1"));
    let line =
        format!("bucket     {place} (hash version {hash_version} of `{value}` with the seed `{seed}`)");
    let Some(InExperiment { name, variant, header, .. }) = experiment else { return line };
    match (variant, header) {
        (Some(variant), Some(header)) => {
            format!("{line}\nexperiment {name}\nvariant    {variant}\nheader     X-Experiment: {header}")
        }
        _ => format!("{line}\nexperiment {name}\nvariant    none: does not take part"),
    }
}
