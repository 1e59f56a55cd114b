//! Against what sentence-transformers makes of the same texts (`scripts/oracles/sentences.py`).

use super::*;
use crate::linalg::dot;
use std::env;

/// A text with its vector.
#[derive(Deserialize)]
struct Embedded {
    text: String,
    vector: Vec<f32>,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sentences")
}

/// Checks a model by the texts of a file, all at once.
fn check(model: &SentenceModel, expected: &str) {
    let expected: Vec<Embedded> = json(&data().join(expected)).unwrap();
    let texts: Vec<&str> = expected.iter().map(|embedded| embedded.text.as_str()).collect();
    let vectors = model.embed(&texts).unwrap();
    for (vector, Embedded { text, vector: expected }) in vectors.rows().zip(&expected) {
        assert_eq!(vector.len(), expected.len(), "{text}");
        let off = vector.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-5, "{text}: {off} off");
    }
}

#[test]
fn a_small_model_is_run_as_others_run_it() {
    let model = SentenceModel::open(data().join("tiny")).unwrap();
    assert_eq!(model.dimension(), 16);
    check(&model, "tiny.json");
}

/// `scripts/test` installs it and says where.
#[test]
fn so_is_minilm_where_it_is_installed() {
    let Some(folder) = env::var_os("RECO_TEST_MINILM") else { return };
    let model = SentenceModel::open(folder).unwrap();
    check(&model, "minilm.json");
    let vectors = model.embed(&["Green tea", "A cup of matcha", "Steel nails, 100 pieces"]).unwrap();
    let cosine = |a, b| dot(vectors.row(a), vectors.row(b));
    assert!(cosine(0, 1) > cosine(0, 2) + 0.2, "what shares no word but a meaning is alike");
}

#[cfg(feature = "conformance")]
#[test]
fn it_keeps_the_promises_of_embedders() {
    crate::conformance::text_embedder(&SentenceModel::open(data().join("tiny")).unwrap());
}

/// What is said of a copy of the small model in which `change` was made to a file's bytes.
fn refused(name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"] {
        fs::copy(data().join("tiny").join(file), folder.path().join(file)).unwrap();
    }
    let path = folder.path().join(name);
    fs::write(&path, change(fs::read(&path).unwrap_or_default())).unwrap();
    SentenceModel::open(folder.path()).unwrap_err().to_string()
}

fn replacing(from: &str, to: &str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{from}");
        text.replace(from, to).into_bytes()
    }
}

#[test]
fn what_cannot_be_run_is_refused_by_its_file() {
    let (config, pooling, weights) = ("config.json", "1_Pooling/config.json", "model.safetensors");
    for (changed, from, to, named, what) in [
        (config, "\"bert\"", "\"gpt2\"", config, "must be \"bert\""),
        (config, "\"gelu\"", "\"swish\"", config, "must be \"gelu\" or \"relu\""),
        (
            config,
            "_heads\": 4",
            "_heads\": 3",
            config,
            "hidden_size 16 is no multiple of num_attention_heads 3",
        ),
        (pooling, "\"mean\"", "\"cls\"", pooling, "by their mean"),
        // What does not fit the weights.
        (config, "hidden_size\": 16", "hidden_size\": 32", weights, "shape"),
        (config, "_layers\": 2", "_layers\": 1000000", weights, "encoder.layer.2"),
    ] {
        let said = refused(changed, replacing(from, to));
        assert!(said.contains(named) && said.contains(what), "{said}");
    }
    let missing = SentenceModel::open(data()).unwrap_err().to_string();
    assert!(missing.contains("config.json") && missing.contains("install-minilm"), "{missing}");
}

#[test]
fn damage_is_refused_and_is_no_panic() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        for at in [0, 9, 100, 300] {
            refused(name, |bytes| bytes[..at].to_vec());
        }
    }
}
