//! Files score as onnxruntime scored them (`benches/rank/make_vectors.py`), and none does harm.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(data().join(name)).unwrap()
}

fn rows() -> (Vec<f32>, usize) {
    let rows: Vec<Vec<f32>> = serde_json::from_slice(&file("rows.json")).unwrap();
    (rows.concat(), rows.len())
}

#[test]
fn every_file_scores_like_onnxruntime() {
    let (rows, n_rows) = rows();
    let mut expected: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&file("scores.json")).unwrap();
    expected.remove("packages");
    assert_eq!(expected.len(), 4);
    for (name, expected) in expected {
        let expected: Vec<f32> = serde_json::from_value(expected).unwrap();
        let model = OnnxModel::open(data().join(&name)).unwrap();
        let mut scores = vec![0.0; n_rows];
        model.predict(&rows, &mut scores).unwrap();
        for (row, (score, expected)) in scores.iter().zip(&expected).enumerate() {
            let is_near = (score - expected).abs() <= 1e-5 * expected.abs().max(1.0);
            assert!(is_near, "{name}, row {row}: {score}, not {expected}");
        }
        model.predict(&[], &mut []).unwrap();
        assert!(matches!(model.predict(&rows, &mut [0.0; 3]), Err(ModelError::Shape { .. })));
    }
}

#[test]
fn features_have_names() {
    let check = |name: &str, expected: [&str; 6]| {
        let model = OnnxModel::from_bytes(name, file(name)).unwrap();
        let names: Vec<&str> = model.features().iter().map(|name| &**name).collect();
        assert_eq!((names.as_slice(), model.kind()), (expected.as_slice(), "onnx"));
    };
    check("flat.onnx", ["f0", "f1", "f2", "f3", "f4", "f5"]);
    check("network.onnx", ["feature 0", "feature 1", "feature 2", "feature 3", "feature 4", "feature 5"]);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let check = |name: &str, said: &str| {
        let error = OnnxModel::open(data().join(name)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(said), "{error}");
    };
    check("refused-columns.onnx", "its output is 2 x 3 for 2 rows; one score a row is needed");
    check("refused-batch.onnx", "an input is `rows` of just 1 rows");
    check("refused-trees.onnx", "TreeEnsembleRegressor");
    check("refused-trees.onnx", "save models of trees in their own library's format");
    check("rows.json", "");
    check("nowhere.onnx", "");
}

proptest! {
    #[test]
    fn damage_is_refused_or_does_no_harm(
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = file("classifier.onnx");
        let len = bytes.len();
        let _ = OnnxModel::from_bytes("cut", bytes[..cut.index(len)].to_vec());
        damage.into_iter().for_each(|(place, byte)| bytes[place.index(len)] = byte);
        let _ = OnnxModel::from_bytes("damaged", bytes);
    }
}
