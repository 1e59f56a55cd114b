//! No bytes make the reader panic: it reads or says what is wrong.

use super::*;
use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray,
    StringBuilder, TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

/// Interactions with a column of every type.
fn batch() -> RecordBatch {
    const ROWS: i64 = 40;
    let mut lists = ListBuilder::new(StringBuilder::new());
    (0..ROWS).for_each(|row| lists.append_value([Some(format!("tag{}", row % 3)), None]));
    let actions: DictionaryArray<Int32Type> =
        (0..ROWS).map(|row| ["view", "like"][row as usize % 2]).collect();
    let columns: [(&str, ArrayRef); 8] = [
        ("user", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| row % 7)))),
        ("item", Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("item{}", row % 5))))),
        ("action", Arc::new(actions)),
        (
            "value",
            Arc::new(Float64Array::from_iter((0..ROWS).map(|row| (row % 4 > 0).then_some(row as f64)))),
        ),
        ("timestamp", Arc::new(TimestampMillisecondArray::from_iter_values(1..=ROWS))),
        ("tags", Arc::new(lists.finish())),
        ("organic", Arc::new(BooleanArray::from_iter((0..ROWS).map(|row| Some(row % 2 == 0))))),
        ("zip", Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("0{row}"))))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn parquet(compression: Compression) -> Vec<u8> {
    let (batch, mut bytes) = (batch(), Vec::new());
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn ipc(compression: Option<CompressionType>) -> IpcWriteOptions {
    IpcWriteOptions::default().try_with_compression(compression).unwrap()
}

fn ipc_file(compression: Option<CompressionType>) -> Vec<u8> {
    let (batch, mut bytes) = (batch(), Vec::new());
    let mut writer = FileWriter::try_new_with_options(&mut bytes, &batch.schema(), ipc(compression)).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    bytes
}

fn ipc_stream(compression: Option<CompressionType>) -> Vec<u8> {
    let (batch, mut bytes) = (batch(), Vec::new());
    let mut writer =
        StreamWriter::try_new_with_options(&mut bytes, &batch.schema(), ipc(compression)).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Valid files of every format.
static VALID: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let gzip = Compression::GZIP(GzipLevel::default());
    vec![
        ("plain.parquet", parquet(Compression::UNCOMPRESSED)),
        ("zstd.parquet", parquet(Compression::ZSTD(ZstdLevel::default()))),
        ("snappy.parquet", parquet(Compression::SNAPPY)),
        ("gzip.parquet", parquet(gzip)),
        ("lz4.parquet", parquet(Compression::LZ4_RAW)),
        ("plain.arrow", ipc_file(None)),
        ("lz4.feather", ipc_file(Some(CompressionType::LZ4_FRAME))),
        ("plain.arrows", ipc_stream(None)),
        ("zstd.arrows", ipc_stream(Some(CompressionType::ZSTD))),
        ("a.csv", b"user,item,rating,timestamp,zip\na,\"b\"\"c\",3,5,01\nc,d,4,2017-06-01,2\n".to_vec()),
        (
            "a.jsonl",
            b"{\"user\":1,\"item\":\"\\u00e4\",\"x\":[1,\"y\"]}\n{\"user\":1,\"item\":3.5,\"y\":{}}\n"
                .to_vec(),
        ),
        ("a.inter", b"user_id:token\titem_id:token\tx:float\ty:token_seq\n1\t2\t3.5\ta b\n".to_vec()),
    ]
});

/// Reads the bytes as a file of that name; an error must name the file.
fn check(folder: &Folder, name: &str, bytes: &[u8], skip_bad_rows: usize) -> Result<(), DataError> {
    let file = folder.file(name);
    fs::write(&file.path, bytes).unwrap();
    let spec = ImportSpec { interactions: Some(file), skip_bad_rows, ..ImportSpec::default() };
    let read = read(&spec, &Silent).map(|_| ());
    // A new file each time: writing over an old one is slow on some file systems.
    fs::remove_file(folder.file(name).path).unwrap();
    read.inspect_err(|error| assert!(error.to_string().contains(name), "{name}: {error}"))
}

#[test]
fn valid_files_are_read() {
    let folder = Folder::with(&[]);
    for (name, bytes) in VALID.iter() {
        check(&folder, name, bytes, 0).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_flipped_byte_is_read_or_refused() {
    let folder = Folder::with(&[]);
    for (name, bytes) in VALID.iter() {
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << (place % 8);
            let _ = check(&folder, name, &damaged, 0);
        }
    }
}

#[test]
fn every_cut_is_read_or_refused() {
    let folder = Folder::with(&[]);
    for (name, bytes) in VALID.iter() {
        let must_end = ["parquet", "arrow", "feather"].iter().any(|ending| name.ends_with(ending));
        for length in 0..bytes.len() {
            let read = check(&folder, name, &bytes[..length], 0);
            assert!(read.is_err() || !must_end, "{name}: cut to {length} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_panic(
        cut in prop::option::of(0.0f64..1.0),
        flips in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..9),
        skip in 0usize..9,
    ) {
        let folder = Folder::with(&[]);
        for (name, bytes) in VALID.iter() {
            let mut bytes = bytes.clone();
            for (place, bits) in &flips {
                let place = (place * bytes.len() as f64) as usize;
                bytes[place] ^= bits;
            }
            let length = cut.map_or(bytes.len(), |cut| (cut * bytes.len() as f64) as usize);
            let _ = check(&folder, name, &bytes[..length], skip);
        }
    }

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = Folder::with(&[]);
        for (name, _) in VALID.iter() {
            let _ = check(&folder, name, &noise, 3);
        }
    }
}
