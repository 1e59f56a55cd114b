//! Models of trees score as the packages that trained them do; `benches/rank/make_vectors.py` asked those.

#![allow(clippy::unwrap_used, reason = "tests")]

use reco_core::rank::trees::TreeModel;
use reco_core::rank::{DenseModel, ModelError};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/trees")
}

/// The rows, one after the other, and how many there are.
fn rows() -> (Vec<f32>, usize) {
    let text = fs::read_to_string(data().join("rows.json")).unwrap();
    let rows: Vec<Vec<Option<f32>>> = serde_json::from_str(&text).unwrap();
    (rows.iter().flatten().map(|value| value.unwrap_or(f32::NAN)).collect(), rows.len())
}

/// What each model should give.
fn expected() -> BTreeMap<String, Vec<f64>> {
    let text = fs::read_to_string(data().join("scores.json")).unwrap();
    let mut values: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    values.remove("packages");
    values.into_iter().map(|(name, scores)| (name, serde_json::from_value(scores).unwrap())).collect()
}

/// Whether a score is as close to the original's as single precision allows.
fn is_near(score: f32, expected: f64) -> bool {
    (f64::from(score) - expected).abs() <= 1e-6 * expected.abs().max(1.0)
}

#[test]
fn every_model_scores_like_its_original() {
    let (rows, n_rows) = rows();
    for (name, expected) in expected() {
        let model = TreeModel::open(data().join(&name)).unwrap();
        assert!(name.starts_with(model.kind()), "{name} is of kind {}", model.kind());
        let mut scores = vec![0.0; n_rows];
        model.predict(&rows, &mut scores).unwrap();
        for (row, (&score, &expected)) in scores.iter().zip(&expected).enumerate() {
            assert!(is_near(score, expected), "{name}, row {row}: {score}, not {expected}");
        }
        // Rows are independent: alone they score the same bits.
        let width = model.features().len();
        for row in [0, 5, n_rows - 1] {
            let mut alone = [0.0];
            model.predict(&rows[row * width..][..width], &mut alone).unwrap();
            assert_eq!(alone[0].to_bits(), scores[row].to_bits(), "{name}, row {row}");
        }
    }
}

#[test]
fn what_gives_no_single_number_is_refused_by_name() {
    let check = |name: &str, said: &str| {
        let error = TreeModel::open(data().join(name)).unwrap_err();
        assert!(matches!(error, ModelError::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    };
    check("lightgbm-multiclass.txt", "num_tree_per_iteration is 4");
    check("lightgbm-linear.txt", "linear_tree is true");
    check("xgboost-multiclass.json", "num_class is 4");
    check("xgboost-linear.json", "booster is gblinear");
}
