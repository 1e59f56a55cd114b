//! `reco models`: the versions in a registry.

use crate::args::{Models, ModelsArgs, Role};
use crate::registry::{self, Versions, told};
use crate::{Failure, Session, output};
use reco_core::registry::Alias;
use reco_train::publish::{self, Metadata};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A line of the list; of a version that cannot be read only its number and what is wrong.
#[derive(Debug, Serialize)]
struct Listed {
    version: String,
    role: Option<Alias>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

pub(crate) fn run(session: &Session, args: &ModelsArgs) -> Result<(), Failure> {
    let versions = Versions::find(session, args.registry.registry.as_ref())
        .ok_or("which registry? Name its folder by --registry DIR or by registry.path")?;
    match args.what {
        Models::List => list(session, &versions),
        Models::Show { version } => show(session, &versions, version),
        Models::Diff { one, other } => diff(session, &versions, one, other),
        Models::Promote { version, challenger } => {
            let role = if challenger { Alias::Challenger } else { Alias::Champion };
            let number = versions.number(version)?;
            versions
                .registry
                .promote(&versions.model, number, role, "reco models promote")
                .map_err(|error| versions.told(error))?;
            let said = format!("v{number} is {role}");
            let metadata = publish::metadata(&versions.registry, &versions.model, number);
            if let Ok(Metadata { remarks, judged_in_another_order: Some(_), .. }) = metadata {
                session.output.notes(&remarks);
            }
            session.output.result(&json!({ "version": format!("v{number}"), "role": role }), |_| said)
        }
        Models::Rollback => {
            let back = versions
                .registry
                .roll_back(&versions.model, "reco models rollback")
                .map_err(|error| versions.told(error))?;
            let number = back.ok_or("there is no champion before this one")?;
            let said = format!("v{number} is champion again");
            session
                .output
                .result(&json!({ "version": format!("v{number}"), "role": Alias::Champion }), |_| said)
        }
        Models::Prune { keep } => {
            let removed =
                versions.registry.prune(&versions.model, keep).map_err(|error| versions.told(error))?;
            let removed: Vec<String> = removed.iter().map(|version| format!("v{version}")).collect();
            session.output.result(&json!({ "removed": removed }), |_| match &removed[..] {
                [] => "there was nothing to remove".to_owned(),
                removed => format!("removed {}", removed.join(", ")),
            })
        }
    }
}

fn list(session: &Session, versions: &Versions) -> Result<(), Failure> {
    let Versions { registry: folder, model } = versions;
    let root = folder.root();
    if !root.is_dir() {
        return Err(format!(
            "{}: there is no such folder; `reco train --registry` makes one, and registry.path or --registry names it",
            root.display()
        )
        .into());
    }
    let rollout = versions.rollout()?;
    let numbers = folder.list(model).map_err(told)?;
    let listed: Vec<Listed> = numbers
        .into_iter()
        .map(|number| Listed {
            version: format!("v{number}"),
            role: registry::role(&rollout, number),
            metadata: publish::metadata(folder, model, number).ok(),
            problem: folder.open(model, number).err().map(|error| told(error).to_string()),
        })
        .collect();
    session.output.result(&listed, |listed| {
        let mut table =
            output::table(["version", "role", "created", "trained from", "rows", "data until", "models"]);
        for line in listed {
            let role = line.role.map(|role| role.to_string()).unwrap_or_default();
            let known = line.metadata.clone().unwrap_or_default();
            let last = line.problem.clone().unwrap_or_else(|| known.models.join(", "));
            table.add_row([
                line.version.clone(),
                role,
                known.created,
                known.trained_from.unwrap_or_default(),
                known.data.rows.to_string(),
                known.data.until.unwrap_or_default(),
                last,
            ]);
        }
        match listed.len() {
            0 => format!("no versions of `{model}` in {}", root.display()),
            1 => format!("{table}\n1 version of `{model}`"),
            n => format!("{table}\n{n} versions of `{model}`"),
        }
    })
}

fn show(session: &Session, versions: &Versions, version: Role) -> Result<(), Failure> {
    let number = versions.number(version)?;
    versions.registry.open(&versions.model, number).map_err(told)?;
    let metadata = publish::metadata(&versions.registry, &versions.model, number)?;
    let shown = json!({ "version": format!("v{number}"), "metadata": metadata });
    let lines = leaves(&shown);
    session.output.result(&shown, |_| {
        let mut table = output::table(["field", "value"]);
        lines.iter().for_each(|(path, value)| {
            table.add_row([path.trim_start_matches("metadata."), value]);
        });
        table.to_string()
    })
}

fn diff(session: &Session, versions: &Versions, one: Role, other: Role) -> Result<(), Failure> {
    let numbers = [versions.number(one)?, versions.number(other)?];
    let mut sides = Vec::with_capacity(2);
    for number in numbers {
        let metadata = publish::metadata(&versions.registry, &versions.model, number)?;
        sides.push(leaves(&serde_json::to_value(metadata)?));
    }
    let [old, new] = [&sides[0], &sides[1]];
    let paths = old.keys().chain(new.keys().filter(|path| !old.contains_key(*path)));
    let different = paths.filter(|path| old.get(*path) != new.get(*path));
    let different: BTreeMap<&String, [Option<&String>; 2]> =
        different.map(|path| (path, [old.get(path), new.get(path)])).collect();
    session.output.result(&different, |different| {
        let [one, other] = numbers.map(|number| format!("v{number}"));
        let mut table = output::table(["field", &one, &other]);
        for (path, [old, new]) in different {
            let cell = |value: Option<&String>| value.map_or("-", String::as_str).to_owned();
            table.add_row([(*path).clone(), cell(*old), cell(*new)]);
        }
        table.to_string()
    })
}

/// Every value by its path; a list is one value.
fn leaves(value: &Value) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(inner) => {
                for (name, value) in inner {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&path, value, leaves);
                }
            }
            Value::Null => {}
            Value::String(text) => {
                leaves.insert(path.to_owned(), text.clone());
            }
            value => {
                leaves.insert(path.to_owned(), value.to_string());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk("", value, &mut found);
    found
}
