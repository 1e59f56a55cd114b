//! What a search may change, checked before anything is read or trained.

use crate::Session;
use crate::args::TuneArgs;
use crate::config::Config;
use reco_core::event::ActionWeights;
use reco_train::tune::{Parameter, Space, usual_space};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// The space that the flag names, else that of the configuration, else the usual one.
///
/// # Errors
///
/// Everything that is wrong with it, one line each.
pub(super) fn space(config: &Config, args: &TuneArgs) -> Result<Space, Vec<String>> {
    let of_config = &config.tune.space;
    let (origin, read) = match &args.space {
        Some(path) => (path.display().to_string(), table(path).and_then(|table| Space::read(&table))),
        None if !of_config.is_empty() => ("tune.space".to_owned(), Space::read(of_config)),
        None => {
            let none = || vec![format!("`{}` has nothing to tune; name a --space", args.model)];
            return usual_space(&args.model).ok_or_else(none);
        }
    };
    let checked = read.and_then(|space| {
        // What is wrong anyway is no fault of the space.
        let known = config.problems();
        let all = space.parameters().iter().flat_map(|parameter| problems(config, parameter));
        let problems: Vec<String> = all.filter(|problem| !known.contains(problem)).collect();
        if problems.is_empty() { Ok(space) } else { Err(problems) }
    });
    checked.map_err(|problems| problems.into_iter().map(|problem| format!("{origin}: {problem}")).collect())
}

/// Says which settings are searched over where nobody named any.
pub(super) fn note(session: &Session, args: &TuneArgs, space: &Space) {
    if args.space.is_none() && session.config.tune.space.is_empty() {
        let paths: Vec<&str> = space.parameters().iter().map(|it| it.path.as_str()).collect();
        session.output.note(&format!("no space is named, so this searches over {}", paths.join(", ")));
    }
}

fn table(path: &Path) -> Result<Map<String, Value>, Vec<String>> {
    let text = fs::read_to_string(path).map_err(|cause| vec![cause.to_string()])?;
    toml::from_str(&text).map_err(|cause| vec![cause.to_string()])
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
