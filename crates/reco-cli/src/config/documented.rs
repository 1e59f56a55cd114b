//! `docs/configuration.md` names every setting with its default, and none that does not exist.

use super::{Config, Serialized};
use figment::Figment;
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../../docs/configuration.md");

/// Models that are off by default, whose settings are documented all the same.
const OFF: [&str; 8] =
    ["autoencoder", "boosted", "bpr", "ease", "sequence", "spectral", "two_tower", "wide_deep"];

/// Tables of parts that have a document of their own.
const ELSEWHERE: [&str; 2] = ["kafka", "redis"];

/// Tables by source, which have a table of their own in the document.
const BY_SOURCE: [&str; 2] = ["pipeline.sources", "pipeline.votes.sources"];

/// The first two cells of the row of every setting.
fn rows(path: &str, value: &Value, rows: &mut Vec<String>) {
    match value {
        Value::Object(inner) if inner.is_empty() => rows.push(format!("| `{path}` | {{}} |")),
        Value::Object(inner) => {
            for (name, value) in inner {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if !BY_SOURCE.contains(&&*path) && !ELSEWHERE.contains(&&*path) {
                    self::rows(&path, value, rows);
                }
            }
        }
        Value::Null => rows.push(format!("| `{path}` | none |")),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(Value::to_string).collect();
            rows.push(format!("| `{path}` | [{}] |", list.join(", ")));
        }
        value => rows.push(format!("| `{path}` | {value} |")),
    }
}

#[test]
fn every_setting_has_its_row() {
    let printed = |config: &Config| serde_json::from_str(&serde_json::to_string(config).unwrap()).unwrap();
    let defaults: Value = printed(&Config::default());
    let switched_on =
        OFF.iter().fold(Figment::from(Serialized::defaults(Config::default())), |figment, model| {
            figment.merge(Serialized::default(&format!("train.{model}"), true))
        });
    let mut expected: Vec<String> = OFF.iter().map(|model| format!("| `train.{model}` | false |")).collect();
    rows("", &printed(&switched_on.extract().unwrap()), &mut expected);
    for (name, source) in defaults["pipeline"]["sources"].as_object().unwrap() {
        let on: Vec<String> =
            source["on"].as_object().unwrap().iter().map(|(on, quota)| format!("{on} {quota}")).collect();
        let vote =
            defaults["pipeline"]["votes"]["sources"].get(name).map(Value::to_string).unwrap_or_default();
        expected.push(format!("| `{name}` | {} | {} | {vote} |", source["quota"], on.join(", ")));
    }
    let missing: Vec<&String> = expected.iter().filter(|row| !DOCUMENT.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks or has otherwise: {missing:#?}");
    let is_expected = |row: &&str| expected.iter().any(|known| row.starts_with(known.as_str()));
    let stale: Vec<&str> =
        DOCUMENT.lines().filter(|line| line.starts_with("| `")).filter(|row| !is_expected(row)).collect();
    assert!(stale.is_empty(), "docs/configuration.md has settings that are not there: {stale:#?}");
}
