//! Files of any format as a stream of columnar batches.

use super::error::BadRow;
use super::spec::{FileSpec, Format};
use super::{DataError, ipc, json_lines, separated};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// Rows read at a time.
pub(super) const BATCH_ROWS: usize = 16_384;

/// Key of the mark in the metadata of the Parquet files that this crate writes.
pub(super) const CANONICAL: &str = "reco.dataset";

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

/// What text in a column may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Text, because the file says so.
    Typed,
    /// Anything: the file knows no types.
    Untyped,
    /// Words divided by spaces.
    Words,
    /// Nothing but numbers.
    Number,
}

/// An open file.
pub(super) struct Table {
    pub(super) names: Vec<String>,
    /// What text means, column by column.
    pub(super) texts: Vec<Text>,
    pub(super) batches: Batches,
    /// Rows in the file, where its format says so beforehand.
    pub(super) n_rows: Option<u64>,
    /// Whether [`Dataset::save`](super::Dataset::save) wrote it: names mean exactly what they say then.
    pub(super) canonical: bool,
}

impl Table {
    /// A table whose text may stand for anything.
    pub(super) fn untyped(names: Vec<String>, batches: Batches) -> Self {
        let texts = vec![Text::Untyped; names.len()];
        Self { names, texts, batches, n_rows: None, canonical: false }
    }
}

pub(super) fn open(file: &FileSpec) -> Result<Table, DataError> {
    let path = &file.path;
    let format = file.format.or_else(|| Format::of(path)).ok_or_else(|| {
        // A folder that is not there has no ending either.
        if let Err(cause) = path.metadata() {
            return DataError::io(path, cause);
        }
        let endings = "parquet, arrow, feather, csv, tsv, jsonl, inter, item, user";
        DataError::Spec(format!(
            "{}: unknown kind of file; the endings known are {endings}; of another one say how it is written, as \
             --set data.interactions.format=csv",
            path.display()
        ))
    })?;
    let opened = File::open(path).map_err(|cause| DataError::io(path, cause))?;
    let mut table = match format {
        Format::Parquet => parquet(opened, path)?,
        Format::Arrow => ipc(opened, path)?,
        Format::Jsonl => json_lines::open(opened, path)?,
        Format::Csv | Format::Tsv | Format::Recbole => separated::open(opened, file, format)?,
    };
    name_columns(&mut table.names, path)?;
    Ok(table)
}

/// Gives columns without a name one, and refuses names that stand twice.
fn name_columns(names: &mut [String], path: &Path) -> Result<(), DataError> {
    for (column, name) in names.iter_mut().enumerate().filter(|(_, name)| name.is_empty()) {
        *name = format!("column_{}", column + 1);
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(DataError::DuplicateColumn { path: path.to_owned(), column: pair[0].clone() }),
        None => Ok(()),
    }
}

/// Runs a reader of another crate: bytes that make it panic are a broken file, no reason to stop.
fn guarded<T>(
    path: &Path,
    format: &'static str,
    read: impl FnOnce() -> Result<T, DataError>,
) -> Result<T, DataError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(DataError::format(path, format, "the file is damaged, its reader gave up")))
}

/// Reads Parquet from a file or from memory.
pub(super) fn parquet<R: parquet::file::reader::ChunkReader + 'static>(
    source: R,
    path: &Path,
) -> Result<Table, DataError> {
    let wrong = |cause: &dyn std::fmt::Display| DataError::format(path, "Parquet", cause);
    guarded(path, "Parquet", || {
        let builder = ParquetRecordBatchReaderBuilder::try_new(source).map_err(|cause| wrong(&cause))?;
        let about = builder.metadata().file_metadata();
        let n_rows = u64::try_from(about.num_rows()).ok();
        let marks = about.key_value_metadata().into_iter().flatten();
        let canonical = marks.into_iter().any(|mark| mark.key == CANONICAL);
        let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|cause| wrong(&cause))?;
        let schema = arrow::record_batch::RecordBatchReader::schema(&reader);
        Ok(Table { n_rows, canonical, ..columnar(reader, &schema, path, "Parquet") })
    })
}

fn ipc(opened: File, path: &Path) -> Result<Table, DataError> {
    let reader = guarded(path, "Arrow IPC", || ipc::Batches::open(opened, path))?;
    let schema = reader.schema();
    Ok(columnar(reader, &schema, path, "Arrow IPC"))
}

fn columnar<E: std::fmt::Display>(
    mut reader: impl Iterator<Item = Result<RecordBatch, E>> + 'static,
    schema: &SchemaRef,
    path: &Path,
    format: &'static str,
) -> Table {
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let texts = vec![Text::Typed; names.len()];
    let path = path.to_owned();
    let (mut next_row, mut rest, mut broken) = (1, None, false);
    let batches = std::iter::from_fn(move || {
        if broken {
            return None;
        }
        let batch = guarded(&path, format, || {
            let wrong = |cause: &dyn std::fmt::Display| DataError::format(&path, format, cause);
            let read = match rest.take() {
                Some(rest) => Some(rest),
                None => reader.next().transpose().map_err(|cause| wrong(&cause))?,
            };
            // A batch may have any number of rows, even such as take no room in its file.
            let Some(batch) = read else { return Ok(None) };
            let n_rows = batch.num_rows().min(BATCH_ROWS);
            rest = (n_rows < batch.num_rows()).then(|| batch.slice(n_rows, batch.num_rows() - n_rows));
            let batch = batch.slice(0, n_rows);
            let columns = batch.columns().iter().map(normalised).collect::<Result<_, _>>();
            let columns = columns.map_err(|cause| wrong(&cause))?;
            Ok(Some(Batch { columns, n_rows, rows: RowNumbers::From(next_row), bad: Vec::new() }))
        });
        broken = batch.is_err();
        if let Ok(Some(batch)) = &batch {
            next_row += batch.n_rows as u64;
        }
        batch.transpose()
    });
    Table { names, texts, batches: Box::new(batches), n_rows: None, canonical: false }
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
    if *column.data_type() == to {
        return Ok(Arc::clone(column));
    }
    match cast(column, &to) {
        // Ids that are hashes of 64 bits exceed the signed numbers.
        Ok(whole) if to == DataType::Int64 && whole.null_count() > column.null_count() => {
            cast(column, &DataType::Utf8)
        }
        Ok(cells) => Ok(cells),
        Err(_) => written(column),
    }
}

/// A column of a type that nothing here understands, as text.
fn written(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let cells = (0..column.len()).map(|row| {
        if column.is_null(row) { Ok(None) } else { formatter.value(row).try_to_string().map(Some) }
    });
    Ok(Arc::new(cells.collect::<Result<StringArray, _>>()?))
}
