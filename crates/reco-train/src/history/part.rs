//! One file of the history.

use arrow::array::{
    ArrayRef, Float32Array, RecordBatch, RecordBatchReader, StringArray, TimestampMillisecondArray,
    UInt32Array, UInt64Array,
};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use reco_core::event::{Details, Event};
use reco_core::file;
use reco_core::live::Places;
use reco_core::store::Delivery;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A finished file.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    pub(super) rows: u64,
    /// The places of the log that it is about: events of its date at any of them are in it.
    pub(super) places: Places,
    /// Files that it takes the place of.
    replaces: Vec<String>,
}

/// What stands in the file beside its rows.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    places: Places,
    replaces: Vec<String>,
}

const ABOUT: &str = "reco.history";
const ENDING: &str = ".parquet";
const MERGE: &str = "_merged-";
const UNFINISHED: &str = "_unfinished-";
const BEGINNING: &str = "events-";
const DAMAGED: &str = "_damaged-";

/// Why the history cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct PartError {
    path: PathBuf,
    cause: io::Error,
}

impl PartError {
    pub(super) fn io(path: &Path, cause: io::Error) -> Self {
        Self { path: path.to_owned(), cause }
    }

    /// The file can be opened, but not understood.
    fn damaged(path: &Path, cause: impl fmt::Display) -> Self {
        let problem = format!("no file of a history, or damaged: {cause}; move it away to go on without it");
        Self::io(path, io::Error::new(io::ErrorKind::InvalidData, problem))
    }

    /// Whether it is the file rather than the system.
    pub(super) fn is_damage(&self) -> bool {
        self.cause.kind() == io::ErrorKind::InvalidData
    }

    fn parquet(path: &Path, cause: ParquetError) -> Self {
        match cause {
            // What the system says while a file is read or written.
            ParquetError::External(cause) if cause.is::<io::Error>() => {
                Self::io(path, io::Error::other(cause))
            }
            cause => Self::damaged(path, cause),
        }
    }
}

impl From<PartError> for io::Error {
    fn from(error: PartError) -> Self {
        Self::new(error.cause.kind(), error)
    }
}

fn named(path: &Path, beginning: &str) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.starts_with(beginning) && name.ends_with(ENDING)
}

impl Part {
    pub(super) fn is_finished(path: &Path) -> bool {
        named(path, BEGINNING)
    }

    /// Whether it is whole, but does not have its name yet.
    pub(super) fn is_merge(path: &Path) -> bool {
        named(path, MERGE)
    }

    /// Whether a process that was killed has left it.
    pub(super) fn is_unfinished(path: &Path) -> bool {
        named(path, UNFINISHED)
    }

    /// Writes events into a new file; `places` is what of the log they were taken from.
    pub(super) fn write(folder: &Path, deliveries: &[&Delivery], places: &Places) -> Result<Self, PartError> {
        let first = deliveries.first().map(|delivery| (delivery.place.partition, delivery.place.offset));
        let (partition, offset) = first.unwrap_or_default();
        let path = folder.join(format!("{BEGINNING}p{partition}-{offset:020}{ENDING}"));
        let about = About { places: places.clone(), replaces: Vec::new() };
        let rows = rows(deliveries).map_err(|cause| PartError::parquet(&path, cause.into()))?;
        put(&path, &about, rows.schema(), std::iter::once(Ok(rows)))?;
        let rows = deliveries.len() as u64;
        Ok(Self { path, rows, places: about.places, replaces: about.replaces })
    }

    /// Looks at a file.
    pub(super) fn read(path: &Path) -> Result<Self, PartError> {
        let wrong = |cause| PartError::parquet(path, cause);
        let file = File::open(path).map_err(|cause| PartError::io(path, cause))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(wrong)?;
        let metadata = builder.metadata().file_metadata();
        let marks = metadata.key_value_metadata().into_iter().flatten();
        let about = marks.into_iter().find(|mark| mark.key == ABOUT).and_then(|mark| mark.value.as_deref());
        let about: About = serde_json::from_str(about.unwrap_or_default())
            .map_err(|cause| PartError::damaged(path, cause))?;
        let rows = u64::try_from(metadata.num_rows()).unwrap_or_default();
        Ok(Self { path: path.to_owned(), rows, places: about.places, replaces: about.replaces })
    }

    /// Makes one file of several. At no moment is an event in two that are finished: should it end in between, the merged one
    /// is whole, but has not its name yet, and [`take_over`](Self::take_over) goes on.
    pub(super) fn merge(folder: &Path, parts: &[Self]) -> Result<Self, PartError> {
        let mut about = About { places: Places::default(), replaces: Vec::new() };
        for part in parts {
            about.places.extend(&part.places);
            about.replaces.extend(part.name());
        }
        let first = about.replaces.iter().min().cloned().unwrap_or_default();
        let path = folder.join(format!("{MERGE}{first}"));
        let readers = parts.iter().map(|part| batches(&part.path)).collect::<Result<Vec<_>, PartError>>()?;
        let Some(schema) = readers.first().map(RecordBatchReader::schema) else {
            return Err(PartError::io(folder, io::Error::other("there is nothing to merge")));
        };
        let rows = readers.into_iter().flatten().map(|batch| batch.map_err(ParquetError::from));
        put(&path, &about, schema, rows)?;
        let rows = parts.iter().map(|part| part.rows).sum();
        Self { path, rows, places: about.places, replaces: about.replaces }.take_over()
    }

    /// Puts a merged file in the place of those that it was made of.
    pub(super) fn take_over(mut self) -> Result<Self, PartError> {
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        for name in std::mem::take(&mut self.replaces) {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    return Err(PartError::io(&path, cause));
                }
                _ => {}
            }
        }
        let name = self.name().unwrap_or_default();
        let path = folder.join(name.strip_prefix(MERGE).unwrap_or(&name));
        fs::rename(&self.path, &path).map_err(|cause| PartError::io(&self.path, cause))?;
        Ok(Self { path, ..self })
    }

    /// Whether all its rows can be read.
    pub(super) fn is_sound(&self) -> bool {
        batches(&self.path).is_ok_and(|mut batches| batches.all(|batch| batch.is_ok()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of files that it takes the place of.
    pub(super) fn replaces(&self) -> &[String] {
        &self.replaces
    }

    fn name(&self) -> Option<String> {
        Some(self.path.file_name()?.to_string_lossy().into_owned())
    }
}

/// Gives a damaged file a name that nobody reads. Returns the new one.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, PartError> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let aside = path.with_file_name(format!("{DAMAGED}{name}"));
    fs::rename(path, &aside).map_err(|cause| PartError::io(path, cause))?;
    Ok(aside)
}

/// The rows of a file.
pub(super) fn batches(path: &Path) -> Result<ParquetRecordBatchReader, PartError> {
    let file = File::open(path).map_err(|cause| PartError::io(path, cause))?;
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(file).and_then(ParquetRecordBatchReaderBuilder::build);
    reader.map_err(|cause| PartError::parquet(path, cause))
}

fn put(
    path: &Path,
    about: &About,
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ParquetError>>,
) -> Result<(), PartError> {
    let text = serde_json::to_string(about).map_err(|cause| PartError::io(path, cause.into()))?;
    let mark = KeyValue { key: ABOUT.to_owned(), value: Some(text) };
    let properties = WriterProperties::builder()
        // Fast: it is written again when files are merged.
        .set_compression(Compression::LZ4_RAW)
        .set_key_value_metadata(Some(vec![mark]))
        .build();
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let unfinished = path.with_file_name(format!("{UNFINISHED}{name}"));
    file::replace_through(&unfinished, path, |file| {
        let mut writer = ArrowWriter::try_new(file, schema, Some(properties))?;
        for batch in batches {
            writer.write(&batch?)?;
        }
        writer.close()?;
        Ok(())
    })
    .map_err(|cause| PartError::io(path, cause))
}

/// One row an event.
fn rows(deliveries: &[&Delivery]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let events = || deliveries.iter().map(|delivery| &delivery.event);
    let detail = |of: fn(&Details) -> Option<&str>| -> ArrayRef {
        let of = |event: &Event| event.details.as_deref().and_then(of).map(str::to_owned);
        Arc::new(StringArray::from_iter(events().map(of)))
    };
    let json = |of: fn(&Details) -> &serde_json::Map<String, serde_json::Value>| -> ArrayRef {
        let of = |event: &Event| {
            let map = event.details.as_deref().map(of).filter(|map| !map.is_empty())?;
            serde_json::to_string(map).ok()
        };
        Arc::new(StringArray::from_iter(events().map(of)))
    };
    let details = || events().map(|event| event.details.as_deref());
    let positions = details().map(|details| details?.position);
    let propensities = details().map(|details| details?.propensity);
    let times = TimestampMillisecondArray::from_iter_values(events().map(|event| event.at.millis()));
    let columns: [(&str, ArrayRef); 14] = [
        ("id", Arc::new(StringArray::from_iter_values(events().map(|event| event.id.to_string())))),
        ("user", Arc::new(StringArray::from_iter_values(events().map(|event| event.user.as_str())))),
        ("item", Arc::new(StringArray::from_iter_values(events().map(|event| event.item.as_str())))),
        ("action", Arc::new(StringArray::from_iter_values(events().map(|event| event.action.name())))),
        ("value", Arc::new(Float32Array::from_iter(events().map(|event| event.value)))),
        ("timestamp", Arc::new(times.with_timezone("UTC"))),
        ("session", detail(|details| details.session.as_deref())),
        ("request", detail(|details| details.request.as_deref())),
        ("position", Arc::new(UInt32Array::from_iter(positions))),
        ("propensity", Arc::new(Float32Array::from_iter(propensities))),
        ("context", json(|details| &details.context)),
        ("other", json(|details| &details.other)),
        (
            "partition",
            Arc::new(UInt32Array::from_iter_values(deliveries.iter().map(|row| row.place.partition))),
        ),
        ("offset", Arc::new(UInt64Array::from_iter_values(deliveries.iter().map(|row| row.place.offset)))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
}
