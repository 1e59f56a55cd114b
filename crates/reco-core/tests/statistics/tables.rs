//! The statistics of experiments agree with scipy, statsmodels and gbstats.
//!
//! `data/statistics.json` was written by `scripts/oracles/experiment_statistics.py`, which says with what.

use reco_core::experiment::statistics::reference::{FAMILIES, Table, TableError};
use serde_json::{Value, json};

const TABLE: &str = include_str!("../data/statistics.json");

#[test]
fn every_family_agrees_with_its_oracle() {
    let checked = Table::parse(TABLE).unwrap().check();
    assert_eq!(checked.len(), FAMILIES.len());
    for family in checked {
        assert!(family.cases >= 4, "{} has {} cases", family.family, family.cases);
        assert_eq!(family.failures, [], "{}", family.family);
        assert_eq!(family.passed, family.cases);
    }
}

/// The table with a change, and the failure that it must lead to.
fn check(change: impl FnOnce(&mut Value), id: &str, field: &str, got: &str) {
    let text = TABLE.replace("NaN", "null").replace("-Infinity", "\"-inf\"").replace("Infinity", "\"inf\"");
    let mut table: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut table);
    let failures = Table::parse(&table.to_string()).expect("a table").check();
    let failures: Vec<_> = failures.into_iter().flat_map(|family| family.failures).collect();
    let [failure] = &failures[..] else { panic!("{} failures of {id}: {failures:?}", failures.len()) };
    assert_eq!((failure.id.as_str(), failure.field.as_str()), (id, field));
    assert!(failure.got.contains(got), "{}", failure.got);
}

#[test]
fn what_does_not_agree_is_named() {
    let case = |table: &mut Value, family: &str, path: &str, value: Value| {
        *table["families"][family]["cases"][11].pointer_mut(path).expect("a field of the table") = value;
    };
    let z = "two_proportion_z";
    check(|t| case(t, z, "/out/ci95/1", json!(7)), "two_proportion_z-12", "ci95[1]", "");
    check(|t| case(t, z, "/out/p", json!(null)), "two_proportion_z-12", "p", "");
    check(
        |t| case(t, z, "/out", json!({"q": 1})),
        "two_proportion_z-12",
        "q",
        "nothing of this name is computed",
    );
    check(
        |t| case(t, z, "/in/x_a", json!("many")),
        "two_proportion_z-12",
        "",
        "`in.x_a` is \"many\", must be a whole number",
    );
    check(|t| case(t, z, "/in", json!({"x_a": 1})), "two_proportion_z-12", "", "`in.n_a` is missing");
    check(|t| case(t, z, "/in", json!([])), "two_proportion_z-12", "", "`in.x_a` is missing");
    check(|t| case(t, z, "/in/n_a", json!(0)), "two_proportion_z-12", "", "trials is 0, must be at least 1");
    check(
        |t| case(t, "sample_size", "/in/kind", json!("median")),
        "sample_size-12",
        "",
        "must be proportion or mean",
    );
    check(
        |t| case(t, "team_draft_interleaving", "/in/coins", json!([])),
        "team_draft_interleaving-12",
        "",
        "one for each tie",
    );
    check(|t| t["families"]["welch"] = json!({"cases": []}), "welch", "", "there is no family `welch`");
    check(|t| t["families"][z]["cases"] = json!(1), z, "", "`cases` is missing, must be a list");
    check(
        |t| t["families"]["bootstrap_ci"]["cases"][0]["out"] = json!({"diff": 1}),
        "bootstrap_ci-1",
        "",
        "`abs_tol`",
    );
}

#[test]
fn what_is_no_table_is_refused() {
    assert!(matches!(Table::parse("{"), Err(TableError::Json(_))));
    assert!(matches!(Table::parse("[]"), Err(TableError::Shape)));
    assert!(matches!(Table::parse(r#"{"families": []}"#), Err(TableError::Shape)));
}
