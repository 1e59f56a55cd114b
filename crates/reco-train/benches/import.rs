//! How fast a million interactions are read, by format.
//!
//! `cargo bench -p reco-train --bench import`; docs/benchmarks.md has figures. The files are made up when it
//! starts: 6,000 users, 4,000 items, ratings, times and a column of shops kept as an attribute.
#![allow(missing_docs, reason = "a benchmark")]

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::FileWriter;
use divan::Bencher;
use divan::counter::ItemsCount;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use reco_train::data::{Dataset, FileSpec, ImportSpec, read};
use reco_train::progress::Silent;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, LazyLock};

const ROWS: i64 = 1_000_000;

fn main() {
    divan::main();
}

/// One interaction of a fixed scatter, with popular items at the front.
struct Row {
    user: i64,
    item: i64,
    rating: f32,
    timestamp: i64,
    shop: i64,
}

fn row(number: i64) -> Row {
    let draw = (number as u32).wrapping_mul(2_654_435_761);
    let (user, item) =
        (i64::from(draw >> 8) % 6_000, i64::from(draw % 4_000).min(i64::from(draw / 7 % 4_000)));
    let timestamp = 1_500_000_000 + number * 30;
    Row { user, item, rating: (number % 9 + 1) as f32 / 2.0, timestamp, shop: user % 40 }
}

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("there is room for files");
    write(folder.path()).expect("the files can be written");
    folder
});

fn write(folder: &Path) -> Result<(), Box<dyn Error>> {
    let rows = || (0..ROWS).map(row);
    let mut csv = "user_id,item_id,rating,timestamp,shop\n".to_owned();
    let mut json = String::new();
    for Row { user, item, rating, timestamp, shop } in rows() {
        writeln!(csv, "{user},{item},{rating},{timestamp},shop{shop}")?;
        writeln!(
            json,
            "{{\"user_id\":{user},\"item_id\":{item},\"rating\":{rating},\"timestamp\":{timestamp},\"shop\":\"shop{shop}\"}}"
        )?;
    }
    fs::write(folder.join("a.csv"), csv)?;
    fs::write(folder.join("a.jsonl"), json)?;
    let columns: [(&str, ArrayRef); 5] = [
        ("user_id", Arc::new(Int64Array::from_iter_values(rows().map(|row| row.user)))),
        ("item_id", Arc::new(Int64Array::from_iter_values(rows().map(|row| row.item)))),
        ("rating", Arc::new(Float32Array::from_iter_values(rows().map(|row| row.rating)))),
        ("timestamp", Arc::new(Int64Array::from_iter_values(rows().map(|row| row.timestamp)))),
        ("shop", Arc::new(StringArray::from_iter_values(rows().map(|row| format!("shop{}", row.shop))))),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let mut parquet =
        ArrowWriter::try_new(File::create(folder.join("a.parquet"))?, batch.schema(), Some(properties))?;
    parquet.write(&batch)?;
    parquet.close()?;
    let mut ipc = FileWriter::try_new(File::create(folder.join("a.arrow"))?, &batch.schema())?;
    ipc.write(&batch)?;
    ipc.finish()?;
    // The form that `reco import` writes, whose keys are text.
    import(&folder.join("a.csv")).save(&folder.join("saved"))?;
    Ok(())
}

fn import(path: &Path) -> Dataset {
    let spec = ImportSpec { interactions: Some(FileSpec::new(path)), ..ImportSpec::default() };
    read(&spec, &Silent).expect("the file is sound").0
}

#[divan::bench(args = ["a.parquet", "saved", "a.arrow", "a.csv", "a.jsonl"], sample_count = 5, sample_size = 1)]
fn read_a_million(bencher: Bencher<'_, '_>, name: &str) {
    let path = FOLDER.path().join(name);
    bencher.counter(ItemsCount::new(ROWS as usize)).bench_local(|| import(&path));
}
