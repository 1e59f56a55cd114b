//! How fast a model file scores rows: trees on one thread; ONNX, with `--features onnx`, on `RTEN_NUM_THREADS` of them.
//!
//! `cargo bench -p reco-core --bench dense -- MODEL ROWS` loads a model and a file of rows (single precision,
//! little-endian, row after row, NaN for missing) and prints the fastest pass and the scores as JSON.
//! `benches/rank/run.py` does so side by side with the packages that train such models.
#![allow(missing_docs, reason = "a benchmark")]

use reco_core::rank::open_model;
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Passes go on for so long; the fastest counts, as the machine may be shared.
const MEASURED: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [model, rows] = files.as_slice() else {
        return Ok(writeln!(std::io::stdout(), "give the files of a model and of rows; see the module")?);
    };
    let model = open_model(Path::new(model))?;
    let bytes = std::fs::read(rows)?;
    let rows: Vec<f32> = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let mut scores = vec![0.0f32; rows.len() / model.features().len().max(1)];
    let (mut fastest, start) = (Duration::MAX, Instant::now());
    while start.elapsed() < MEASURED {
        let pass = Instant::now();
        model.predict(black_box(&rows), black_box(&mut scores))?;
        fastest = fastest.min(pass.elapsed());
    }
    let report = serde_json::json!({
        "kind": model.kind(),
        "rows": scores.len(),
        "ms": fastest.as_secs_f64() * 1e3,
        "scores": scores,
    });
    Ok(writeln!(std::io::stdout(), "{report}")?)
}
