//! Where settings come from: a file, then the environment, then flags. Later ones win.

use super::Config;
use crate::args::Global;
use crate::output::Output;
use figment::Provider;
use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Num, Value};
use reco_core::event::Action;
use std::path::Path;

const DEFAULT_FILE: &str = "reco.toml";
const PREFIX: &str = "RECO_";

/// What begins like a setting and is none: the file of settings, and what `scripts/stack run` tells the programs that it runs.
const NO_SETTINGS: [&str; 5] =
    ["RECO_CONFIG", "RECO_STACK_CONFIG", "RECO_STACK_BROKERS", "RECO_STACK_SENTINELS", "RECO_STACK_PROXIED"];

fn is_setting(variable: &str) -> bool {
    variable.starts_with(PREFIX) && !NO_SETTINGS.contains(&variable)
}
/// The sections in which candidates may differ: all the others say what is judged, and how.
const PATCHED: [&str; 2] = ["train", "pipeline"];
/// The one name in what a bare date of TOML is to figment: a table with its text.
const TOML_DATE: &str = "$__toml_private_datetime";

/// One value somebody set, and where.
pub(super) struct Setting {
    pub(super) path: String,
    pub(super) value: Value,
    pub(super) origin: String,
    /// The path as it was written.
    spelt: String,
}

/// Everything that was set, in the order in which it counts.
pub(super) fn settings(
    global: &Global,
    environment: impl Iterator<Item = (String, String)>,
    output: Output,
    problems: &mut Vec<String>,
) -> Vec<Setting> {
    let mut layers = Layers { settings: Vec::new(), problems };
    if global.config.is_empty() && Path::new(DEFAULT_FILE).is_file() {
        layers.file(Path::new(DEFAULT_FILE));
    }
    global.config.iter().for_each(|path| layers.named_file(path));
    for (name, value) in environment.filter(|(name, _)| is_setting(name)) {
        let path = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        if !is_section(path.split('.').next().unwrap_or_default()) {
            // Other programs may use the prefix, too; a slip within a section of ours is an error.
            output.note(&format!("{name} is no setting of reco; `reco config --defaults` has all"));
            continue;
        }
        layers.set(&path, parsed(&value), &format!("environment variable {name}"));
    }
    for text in &global.set {
        match text.split_once('=').map(|(path, value)| (path.trim(), value.trim())) {
            Some((path, value)) if path.split('.').all(|name| !name.is_empty()) => {
                layers.set(path, parsed(value), "--set");
            }
            _ => layers.problems.push(format!("--set {text}: must be KEY=VALUE, as pipeline.deadline_ms=20")),
        }
    }
    layers.settings
}

/// What a file of settings sets under [`PATCHED`].
pub(super) fn patch(path: &Path, problems: &mut Vec<String>) -> Vec<Setting> {
    let mut layers = Layers { settings: Vec::new(), problems };
    layers.named_file(path);
    let Layers { settings, problems } = layers;
    let is_patch = |setting: &Setting| PATCHED.contains(&setting.path.split('.').next().unwrap_or_default());
    let (settings, others): (Vec<Setting>, Vec<Setting>) = settings.into_iter().partition(is_patch);
    for Setting { path, origin, .. } in others {
        problems.push(format!("{path} ({origin}): a candidate sets only `train` and `pipeline`"));
    }
    settings
}

/// Whether the configuration has a section or a setting of this name.
fn is_section(name: &str) -> bool {
    let defaults = Value::serialize(Config::default()).ok();
    defaults.is_some_and(|defaults| defaults.find_ref(name).is_some())
}

/// Text from the environment or a flag as figment reads it: numbers, lists and so on, else text.
fn parsed(text: &str) -> Value {
    with_powers(text.parse().unwrap_or_else(|never| match never {}))
}

/// The same with numbers such as 5e-3, which figment takes for text.
fn with_powers(value: Value) -> Value {
    let is_power = |text: &str| {
        text.contains(['e', 'E'])
            && text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
    };
    match value {
        Value::String(tag, text) => match text.parse::<f64>() {
            Ok(number) if is_power(&text) => Value::Num(tag, Num::F64(number)),
            _ => Value::String(tag, text),
        },
        Value::Array(tag, list) => Value::Array(tag, list.into_iter().map(with_powers).collect()),
        other => other,
    }
}

/// Tables that are one value: which of their entries there may be depends on one of them.
const WHOLE: [&str; 1] = ["redis.topology"];

struct Layers<'a> {
    settings: Vec<Setting>,
    problems: &'a mut Vec<String>,
}

impl Layers<'_> {
    /// A file that must be there.
    fn named_file(&mut self, path: &Path) {
        if path.is_dir() {
            self.problems.push(format!("{}: is a folder, must be a file", path.display()));
        } else if path.is_file() {
            self.file(path);
        } else {
            self.problems.push(format!("{}: there is no such file", path.display()));
        }
    }

    fn file(&mut self, path: &Path) {
        let origin = path.display().to_string();
        match Toml::file_exact(path).data() {
            Ok(profiles) => profiles.into_values().for_each(|values| self.table("", values, &origin)),
            Err(error) => self.problems.push(format!("{origin}: {}", error.kind)),
        }
    }

    fn table(&mut self, prefix: &str, values: Dict, origin: &str) {
        for (name, value) in values {
            let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            self.set(&path, value, origin);
        }
    }

    /// Notes a value, and of a table each value in it, so that every mistake is found.
    fn set(&mut self, spelt: &str, value: Value, origin: &str) {
        if let Value::Dict(_, inner) = value {
            if let Some(date) = inner.get(TOML_DATE) {
                return self.push(spelt, date.clone(), origin);
            }
            if WHOLE.contains(&spelt) {
                return self.push(spelt, inner.into(), origin);
            }
            if !inner.is_empty() {
                return self.table(spelt, inner, origin);
            }
            // Nothing is set by it, but it must have a place.
            return self.push(spelt, inner.into(), origin);
        }
        self.push(spelt, value, origin);
    }

    fn push(&mut self, spelt: &str, value: Value, origin: &str) {
        let path = canonical(spelt);
        let is_other =
            |known: &&Setting| known.path == path && known.origin == origin && known.spelt != spelt;
        if let Some(Setting { spelt: other, .. }) = self.settings.iter().find(is_other) {
            self.problems.push(format!("`{other}` and `{spelt}` ({origin}) are the same action"));
        }
        let (spelt, origin) = (spelt.to_owned(), origin.to_owned());
        self.settings.push(Setting { path, value, origin, spelt });
    }
}

/// A path with the names of actions as events have them, so that `weights.Add-to-cart` is not one of its own.
fn canonical(path: &str) -> String {
    let names = path.split('.').enumerate();
    let is_weight = path.starts_with("weights.");
    let names = names.map(|(depth, name)| match depth {
        1.. if is_weight => Action::from(name).name().to_owned(),
        _ => name.to_owned(),
    });
    names.collect::<Vec<_>>().join(".")
}
