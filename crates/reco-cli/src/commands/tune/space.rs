//! What a search may change, checked before anything is read or trained.

use crate::args::TuneArgs;
use crate::config::Config;
use crate::{Failure, Session};
use reco_core::event::ActionWeights;
use reco_train::tune::{Parameter, Space, usual_space};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// The space that the flag names, else that of the configuration, else the usual one, which is said.
///
/// # Errors
///
/// Everything that is wrong with it.
pub(super) fn space(session: &Session, args: &TuneArgs) -> Result<Space, Failure> {
    let of_config = &session.config.tune.space;
    let (origin, read) = match &args.space {
        Some(path) => (path.display().to_string(), Space::read(&table(path)?)),
        None if !of_config.is_empty() => ("tune.space".to_owned(), Space::read(of_config)),
        None => {
            let space = usual_space(&args.model)
                .ok_or_else(|| format!("`{}` has nothing to tune; name a --space", args.model))?;
            let paths: Vec<&str> = space.parameters().iter().map(|it| it.path.as_str()).collect();
            session.output.note(&format!("no space is named, so this searches over {}", paths.join(", ")));
            return Ok(space);
        }
    };
    let checked = read.and_then(|space| {
        let problems: Vec<String> =
            space.parameters().iter().flat_map(|parameter| problems(&session.config, parameter)).collect();
        if problems.is_empty() { Ok(space) } else { Err(problems) }
    });
    checked.map_err(|problems| {
        let s = if problems.len() == 1 { "" } else { "s" };
        format!("{origin} has {} problem{s}:\n  - {}", problems.len(), problems.join("\n  - ")).into()
    })
}

fn table(path: &Path) -> Result<Map<String, Value>, Failure> {
    let named = |cause: &dyn std::fmt::Display| format!("{}: {cause}", path.display());
    let text = fs::read_to_string(path).map_err(|cause| named(&cause))?;
    Ok(toml::from_str(&text).map_err(|cause| named(&cause))?)
}

/// What is wrong with a parameter: its setting must be there and take every choice, or both ends of a range.
fn problems(config: &Config, parameter: &Parameter) -> Vec<String> {
    let path = &parameter.path;
    let section = path.split('.').next().unwrap_or_default();
    if !["train", "pipeline", "weights"].contains(&section) && config.setting(section).is_some() {
        return vec![format!("{path}: changes no page; a search may change train, pipeline and weights")];
    }
    if section == "weights" && !keeps_question(config, parameter) {
        return vec![format!(
            "{path}: decides which interactions count, by which trials are judged; a search may change weights above 0 only"
        )];
    }
    let mut problems = Vec::new();
    for value in parameter.domain.ends() {
        for problem in config.patched([(path, &value)], "space").err().into_iter().flatten() {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    problems
}

/// Whether the same interactions count, whatever the value.
fn keeps_question(config: &Config, Parameter { path, domain }: &Parameter) -> bool {
    let Some(action) = path.strip_prefix("weights.").filter(|action| !action.contains('.')) else {
        return false;
    };
    let weights: &ActionWeights = &config.weights;
    weights.get(&action.into()) > 0.0
        && domain.ends().iter().all(|value| value.as_f64().is_none_or(|weight| weight > 0.0))
}
