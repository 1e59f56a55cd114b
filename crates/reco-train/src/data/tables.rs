//! Files of any format as a stream of columnar batches.

use super::DataError;
use super::error::BadRow;
use super::spec::{FileSpec, Format};
use super::text;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

/// Rows read at a time.
pub(super) const BATCH_ROWS: usize = 16_384;

/// Some rows of a file, column by column, in one of the six types that `cells` knows.
pub(super) struct Batch {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) n_rows: usize,
    pub(super) rows: RowNumbers,
    /// Rows that could not even be split into cells.
    pub(super) bad: Vec<BadRow>,
}

/// Where the rows of a batch stand in their file.
pub(super) enum RowNumbers {
    /// One after the other from here.
    From(u64),
    /// Each by itself, where some lines were left out.
    Each(Vec<u64>),
}

impl RowNumbers {
    pub(super) fn of(&self, row: usize) -> u64 {
        match self {
            Self::From(first) => first + row as u64,
            Self::Each(rows) => rows[row],
        }
    }
}

pub(super) type Batches = Box<dyn Iterator<Item = Result<Batch, DataError>>>;

/// An open file.
pub(super) struct Table {
    pub(super) names: Vec<String>,
    pub(super) batches: Batches,
    /// Rows in the file, where its format says so beforehand.
    pub(super) n_rows: Option<u64>,
}

pub(super) fn open(file: &FileSpec, preset: Option<Format>) -> Result<Table, DataError> {
    let path = &file.path;
    let format = file.format.or(preset).or_else(|| Format::of(path)).ok_or_else(|| {
        let endings = "parquet, arrow, feather, csv, tsv, jsonl, inter, item, user";
        DataError::Spec(format!("{}: unknown kind of file; the endings known are {endings}", path.display()))
    })?;
    let opened = File::open(path).map_err(|cause| DataError::io(path, cause))?;
    match format {
        Format::Parquet => parquet(opened, path),
        Format::Arrow => ipc(opened, path),
        Format::Jsonl => text::json_lines(opened, path),
        Format::Csv => text::separated(opened, path, format, ","),
        Format::Tsv | Format::Recbole => text::separated(opened, path, format, "\t"),
        Format::Bare(bare) => text::separated(opened, path, format, bare.separator),
    }
}

/// Reads Parquet from a file or from memory.
pub(super) fn parquet<R: parquet::file::reader::ChunkReader + 'static>(
    source: R,
    path: &Path,
) -> Result<Table, DataError> {
    let wrong = |cause: &dyn std::fmt::Display| DataError::format(path, "Parquet", cause);
    let builder = ParquetRecordBatchReaderBuilder::try_new(source).map_err(|cause| wrong(&cause))?;
    let n_rows = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|cause| wrong(&cause))?;
    let schema = arrow::record_batch::RecordBatchReader::schema(&reader);
    Ok(columnar(reader, &schema, path, "Parquet", n_rows))
}

fn ipc(mut opened: File, path: &Path) -> Result<Table, DataError> {
    let wrong = |cause: &dyn std::fmt::Display| DataError::format(path, "Arrow IPC", cause);
    let mut magic = [0; 6];
    let is_file = opened.read(&mut magic).is_ok_and(|n| n == 6) && magic == *b"ARROW1";
    opened.rewind().map_err(|cause| DataError::io(path, cause))?;
    if is_file {
        let reader = FileReader::try_new(BufReader::new(opened), None).map_err(|cause| wrong(&cause))?;
        let schema = reader.schema();
        return Ok(columnar(reader, &schema, path, "Arrow IPC", None));
    }
    let reader = StreamReader::try_new(BufReader::new(opened), None).map_err(|cause| wrong(&cause))?;
    let schema = reader.schema();
    Ok(columnar(reader, &schema, path, "Arrow IPC", None))
}

fn columnar(
    reader: impl Iterator<Item = Result<RecordBatch, ArrowError>> + 'static,
    schema: &SchemaRef,
    path: &Path,
    format: &'static str,
    n_rows: Option<u64>,
) -> Table {
    let names = schema.fields().iter().map(|field| field.name().clone()).collect();
    let path = path.to_owned();
    let mut next = 1;
    let batches = reader.map(move |batch| {
        let batch = batch.map_err(|cause| DataError::format(&path, format, cause))?;
        let columns = batch.columns().iter().map(normalised).collect::<Result<_, _>>();
        let columns = columns.map_err(|cause| DataError::format(&path, format, cause))?;
        let first = next;
        next += batch.num_rows() as u64;
        Ok(Batch { columns, n_rows: batch.num_rows(), rows: RowNumbers::From(first), bad: Vec::new() })
    });
    Table { names, batches: Box::new(batches), n_rows }
}

/// The column in one of six types: text, whole numbers, numbers, flags, milliseconds, lists of text.
fn normalised(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let to = match column.data_type() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal128(..) | DataType::Decimal256(..) => DataType::Float64,
        DataType::Boolean => DataType::Boolean,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            DataType::Timestamp(TimeUnit::Millisecond, None)
        }
        DataType::List(_) | DataType::LargeList(_) => {
            DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))
        }
        _ => DataType::Utf8,
    };
    if *column.data_type() == to { Ok(Arc::clone(column)) } else { cast(column, &to) }
}
