//! The folder of parts: written beside its name, resumed, put into its place at the end.

use super::scores::List;
use super::{BatchError, BatchOptions};
use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Int32Array, ListArray, RecordBatch, StringArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use reco_core::catalog::Catalog;
use reco_core::file;
use reco_core::id::UserKey;
use reco_core::retrieve::als::AlsModel;
use reco_core::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Begins the names of files that are there until the folder is complete. Readers of Parquet folders skip them.
const UNTIL_COMPLETE: &str = "_";
/// The file that says which run a folder belongs to.
const RUN: &str = "_run";

/// A folder that is being filled.
pub(super) struct Parts {
    out: PathBuf,
    unfinished: PathBuf,
    /// The keys of all items, made for the first part.
    keys: OnceLock<ArrayRef>,
}

/// What is known of a part, in a file beside it that is written after it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    length: usize,
    crc: u32,
    /// Users with an empty list.
    without_list: usize,
}

/// What an interrupted run left of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing that was finished.
    Nothing,
    /// Other bytes than were written.
    Damaged,
    /// All of it.
    Whole {
        /// Users with an empty list.
        without_list: usize,
    },
}

/// Names a run: another snapshot, other users or other options have another name.
pub(super) fn fingerprint(
    snapshot: &Snapshot,
    model: &AlsModel,
    users: &[UserKey],
    options: &BatchOptions,
) -> String {
    let mut hash = crc32fast::Hasher::new();
    for block in [&model.users, &model.items].into_iter().flat_map(|matrix| matrix.as_slice().chunks(1_024)) {
        let bytes: Vec<u8> = block.iter().flat_map(|factor| factor.to_le_bytes()).collect();
        hash.update(&bytes);
    }
    for user in users {
        hash.update(user.as_str().as_bytes());
        hash.update(&[0]);
    }
    format!("{} {:08x} {options:?}\n", snapshot.version, hash.finalize())
}

/// Where parts for the folder `out` are gathered, if it may be made and its parts may be written.
pub(super) fn free(out: &Path) -> Result<PathBuf, BatchError> {
    // A link is in the way of a folder, wherever it leads.
    if fs::symlink_metadata(out).is_ok() {
        return Err(BatchError::Exists(out.to_owned()));
    }
    // As `lists` and `lists/` name one folder.
    let mut unfinished = out.components().collect::<PathBuf>().into_os_string();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    file::check_folder(&unfinished).map_err(at(out))?;
    Ok(unfinished)
}

impl Parts {
    /// Opens what an interrupted run of the same name left, or an empty folder.
    pub(super) fn open(out: &Path, run: String) -> Result<Self, BatchError> {
        let unfinished = free(out)?;
        let parts = Self { out: out.to_owned(), unfinished, keys: OnceLock::new() };
        let known = parts.unfinished.join(RUN);
        if !parts.unfinished.exists() {
            fs::create_dir_all(&parts.unfinished).map_err(at(&parts.unfinished))?;
            parts.put(RUN, run.as_bytes())?;
        } else if fs::read_to_string(&known).ok() != Some(run) {
            return Err(BatchError::OtherRun(parts.unfinished));
        }
        Ok(parts)
    }

    /// Whether a part is finished and still is what was written.
    pub(super) fn left(&self, number: usize) -> Left {
        let bytes = |name| fs::read(self.unfinished.join(name)).ok();
        let record = bytes(record_name(number)).and_then(|json| serde_json::from_slice::<Record>(&json).ok());
        match bytes(name(number)).zip(record) {
            None => Left::Nothing,
            Some((part, record)) if Record::of(&part, record.without_list) == record => {
                Left::Whole { without_list: record.without_list }
            }
            Some(_) => Left::Damaged,
        }
    }

    /// Writes one part, whole or not at all, and counts the users with an empty list.
    pub(super) fn write(
        &self,
        number: usize,
        users: &[UserKey],
        lists: &[List],
        catalog: &Catalog,
    ) -> Result<usize, BatchError> {
        let keys = self.keys.get_or_init(|| {
            Arc::new(StringArray::from_iter_values(catalog.ids().map(|id| catalog.key(id).as_str())))
        });
        let part = encoded(users, lists, keys)
            .map_err(|cause| BatchError::Encode { path: self.unfinished.join(name(number)), cause })?;
        let without_list = lists.iter().filter(|list| list.is_empty()).count();
        self.put(&name(number), &part)?;
        self.put(&record_name(number), &Record::of(&part, without_list).json())?;
        Ok(without_list)
    }

    /// Puts the whole folder into its place.
    pub(super) fn finish(self) -> Result<(), BatchError> {
        fs::rename(&self.unfinished, &self.out).map_err(at(&self.out))?;
        for entry in fs::read_dir(&self.out).map_err(at(&self.out))? {
            let entry = entry.map_err(at(&self.out))?;
            if entry.file_name().to_string_lossy().starts_with(UNTIL_COMPLETE) {
                fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BatchError> {
        let path = self.unfinished.join(name);
        let unfinished = self.unfinished.join(format!("{UNTIL_COMPLETE}{name}.unfinished"));
        file::replace_through(&unfinished, &path, |file| file.write_all(bytes)).map_err(at(&path))
    }
}

impl Record {
    fn of(part: &[u8], without_list: usize) -> Self {
        Self { length: part.len(), crc: crc32fast::hash(part), without_list }
    }

    fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers can be written as JSON")
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BatchError + '_ {
    |cause| BatchError::Io { path: path.to_owned(), cause }
}

fn name(number: usize) -> String {
    format!("part-{number:05}.parquet")
}

fn record_name(number: usize) -> String {
    format!("{UNTIL_COMPLETE}part-{number:05}.json")
}

/// A part as Parquet.
fn encoded(users: &[UserKey], lists: &[List], keys: &ArrayRef) -> Result<Vec<u8>, ParquetError> {
    let rows = rows(users, lists, keys)?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, rows.schema(), properties()?)?;
    writer.write(&rows)?;
    writer.close()?;
    Ok(bytes)
}

/// One row per user.
fn rows(users: &[UserKey], lists: &[List], keys: &ArrayRef) -> Result<RecordBatch, arrow::error::ArrowError> {
    let all = || lists.iter().flatten();
    let ids = Int32Array::from_iter_values(all().map(|(_, item)| item.raw() as i32));
    let items: ArrayRef = Arc::new(DictionaryArray::try_new(ids, Arc::clone(keys))?);
    let scores: ArrayRef = Arc::new(Float32Array::from_iter_values(all().map(|(score, _)| *score)));
    let of_user = |values: ArrayRef| -> Result<ArrayRef, arrow::error::ArrowError> {
        let element = Arc::new(Field::new("element", values.data_type().clone(), false));
        let offsets = OffsetBuffer::from_lengths(lists.iter().map(Vec::len));
        Ok(Arc::new(ListArray::try_new(element, offsets, values, None)?))
    };
    let users = StringArray::from_iter_values(users.iter().map(UserKey::as_str));
    let (items, scores) = (of_user(items)?, of_user(scores)?);
    let field = |name: &str, of: &DataType| Field::new(name, of.clone(), false);
    let schema = Schema::new(vec![
        field("user", &DataType::Utf8),
        field("items", items.data_type()),
        field("scores", scores.data_type()),
    ]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(users), items, scores])
}

/// Scores hardly repeat, so a dictionary of them would only cost time. Without Arrow's own schema readers see
/// items as plain text.
fn properties() -> Result<ArrowWriterOptions, ParquetError> {
    let scores = ColumnPath::new(["scores", "list", "element"].map(String::from).to_vec());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_column_dictionary_enabled(scores, false)
        .build();
    Ok(ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true))
}
