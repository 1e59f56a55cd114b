//! The canonical form of a data set: three Parquet files in a folder.

use super::import::Import;
use super::layout::Role;
use super::source::Source;
use super::spec::{FileSpec, ImportSpec};
use super::{DataError, Dataset, read, tables};
use crate::progress::Silent;
use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use reco_core::catalog::{Catalog, Column, Labels, TagSets, Value};
use reco_core::file;
use reco_core::id::{ItemId, UserKey};
use reco_core::time::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names of the files.
pub(super) const INTERACTIONS: &str = "interactions.parquet";
pub(super) const ITEMS: &str = "items.parquet";
pub(super) const USERS: &str = "users.parquet";

impl Dataset {
    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// [`DataError`] when the folder does not hold a data set.
    pub fn load(folder: &Path) -> Result<Self, DataError> {
        let spec = ImportSpec { interactions: Some(FileSpec::new(folder)), ..ImportSpec::default() };
        read(&spec, &Silent).map(|(dataset, _)| dataset)
    }

    /// Reads the canonical files from memory, as for data that is part of the program.
    ///
    /// # Errors
    ///
    /// [`DataError`] when the bytes are not what `save` writes.
    pub fn from_parquet_bytes(
        items: &'static [u8],
        users: &'static [u8],
        interactions: &'static [u8],
    ) -> Result<Self, DataError> {
        let mut import = Import::new(&ImportSpec::default());
        let source = |bytes: &'static [u8], name, role| {
            let path = PathBuf::from(name);
            let table = tables::parquet(bytes::Bytes::from_static(bytes), &path)?;
            Source::of(table, &FileSpec::new(path), role, None)
        };
        import.items(source(items, ITEMS, Role::Items)?, &Silent)?;
        import.users(source(users, USERS, Role::Users)?, &Silent)?;
        import.interactions(source(interactions, INTERACTIONS, Role::Interactions)?, &Silent)?;
        Ok(import.finish().0)
    }

    /// Writes items.parquet, users.parquet and interactions.parquet into `folder`, which is made if need
    /// be. Each file appears whole or not at all.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] when the folder cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), DataError> {
        fs::create_dir_all(folder).map_err(|cause| DataError::io(folder, cause))?;
        write(&folder.join(ITEMS), item_columns(&self.catalog))?;
        write(&folder.join(USERS), self.user_columns())?;
        write(&folder.join(INTERACTIONS), self.interaction_columns())
    }

    /// Whether [`save`](Self::save) could write there now, to know before anything is read.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] when the folder cannot be made or written.
    pub fn check_target(folder: &Path) -> Result<(), DataError> {
        file::check_folder(folder).map_err(|cause| DataError::io(folder, cause))?;
        let paths = [ITEMS, USERS, INTERACTIONS].map(|name| folder.join(name));
        let mut there = paths.iter().filter(|path| path.exists());
        there.try_for_each(|path| file::check(path).map_err(|cause| DataError::io(path, cause)))
    }

    fn interaction_columns(&self) -> Vec<(String, ArrayRef)> {
        let log = &self.log;
        let keys = log.users.keys();
        let users = log.user.iter().map(|&row| keys[row as usize].as_str());
        let items = log.item.iter().map(|&id| self.catalog.key(id).as_str());
        let actions = log.action.iter().map(|&code| log.actions[code as usize].name());
        let values = log.value.iter().map(|value| Some(*value).filter(|value| !value.is_nan()));
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("user".into(), Arc::new(StringArray::from_iter_values(users))),
            ("item".into(), Arc::new(StringArray::from_iter_values(items))),
            ("action".into(), Arc::new(StringArray::from_iter_values(actions))),
            ("value".into(), Arc::new(Float32Array::from_iter(values))),
        ];
        if log.has_times() {
            columns.push(("timestamp".into(), moments(log.at.iter().copied().map(Some))));
        }
        columns.extend(self.extra.iter().map(|(name, column)| (name.clone(), any(column, log.len()))));
        columns
    }

    fn user_columns(&self) -> Vec<(String, ArrayRef)> {
        let keys = StringArray::from_iter_values(self.log.users.keys().iter().map(UserKey::as_str));
        let mut columns: Vec<(String, ArrayRef)> = vec![("user".into(), Arc::new(keys))];
        let mut names: Vec<&String> = self.users.iter().flat_map(|user| user.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let values =
                (0..self.log.users.len()).map(|row| self.users.get(row).and_then(|user| user.get(name)));
            columns.push((name.clone(), of_values(values)));
        }
        columns
    }
}

/// Values of one type as that type; mixed ones as text.
fn of_values<'a>(values: impl Iterator<Item = Option<&'a Value>> + Clone) -> ArrayRef {
    let all = |is: fn(&Value) -> bool| values.clone().flatten().all(is);
    if all(|value| matches!(value, Value::Number(_))) {
        let numbers =
            values.map(|value| if let Some(Value::Number(number)) = value { Some(*number) } else { None });
        return Arc::new(Float64Array::from_iter(numbers));
    }
    if all(|value| matches!(value, Value::Flag(_))) {
        let flags = values.map(|value| if let Some(Value::Flag(flag)) = value { Some(*flag) } else { None });
        return Arc::new(BooleanArray::from_iter(flags));
    }
    if all(|value| matches!(value, Value::List(_))) {
        return lists(
            values.map(|value| if let Some(Value::List(list)) = value { Some(list) } else { None }),
        );
    }
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::List(list) => list.join("|"),
        _ => String::new(),
    };
    Arc::new(StringArray::from_iter(values.map(|value| value.map(text))))
}

fn item_columns(catalog: &Catalog) -> Vec<(String, ArrayRef)> {
    let text = |of: &dyn Fn(ItemId) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(catalog.ids().map(of)))
    };
    let number = |of: &dyn Fn(ItemId) -> Option<f32>| -> ArrayRef {
        Arc::new(Float32Array::from_iter(catalog.ids().map(of)))
    };
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let title = |id| known(catalog.title(id)).filter(|title| *title != catalog.key(id).as_str());
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("item".into(), text(&|id| Some(catalog.key(id).to_string()))),
        ("title".into(), text(&title)),
        ("text".into(), text(&|id| known(catalog.text(id)))),
        ("category".into(), labels(catalog.category(), catalog.len())),
        ("subcategory".into(), labels(catalog.subcategory(), catalog.len())),
        ("brand".into(), labels(catalog.brand(), catalog.len())),
        ("tags".into(), tags(catalog.tags(), catalog.len())),
        ("price".into(), number(&|id| catalog.price(id))),
        ("margin".into(), number(&|id| catalog.margin(id))),
        ("stock".into(), number(&|id| catalog.stock(id))),
        (
            "active".into(),
            Arc::new(BooleanArray::from_iter(catalog.ids().map(|id| Some(catalog.is_active(id))))),
        ),
        ("created_at".into(), moments(catalog.ids().map(|id| catalog.created_at(id)))),
    ];
    columns.extend(catalog.extra().iter().map(|(name, column)| (name.clone(), any(column, catalog.len()))));
    columns
}

fn ids(n_rows: usize) -> impl Iterator<Item = ItemId> {
    (0..n_rows as u32).map(ItemId::new)
}

fn moments(at: impl Iterator<Item = Option<Timestamp>>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from_iter(at.map(|at| at.map(Timestamp::millis))))
}

fn labels(column: &Labels, n_rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter(ids(n_rows).map(|id| column.get(id))))
}

fn tags(column: &TagSets, n_rows: usize) -> ArrayRef {
    lists(ids(n_rows).map(|id| Some(column.get(id))))
}

fn lists(rows: impl Iterator<Item = Option<impl IntoIterator<Item = impl AsRef<str>>>>) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in rows {
        let is_known = row.is_some();
        row.into_iter().flatten().for_each(|label| lists.values().append_value(label));
        lists.append(is_known);
    }
    Arc::new(lists.finish())
}

fn any(column: &Column, n_rows: usize) -> ArrayRef {
    match column {
        Column::Labels(column) => labels(column, n_rows),
        Column::Tags(column) => tags(column, n_rows),
        Column::Numbers(numbers) => Arc::new(Float64Array::from_iter(
            numbers.iter().map(|number| Some(*number).filter(|n| !n.is_nan())),
        )),
        Column::Flags(flags) => Arc::new(BooleanArray::from_iter(flags.iter().copied())),
        Column::Times(times) => moments(times.iter().copied()),
        _ => Arc::new(StringArray::new_null(n_rows)),
    }
}

/// Nobody ever reads half of the file.
fn write(path: &Path, columns: Vec<(String, ArrayRef)>) -> Result<(), DataError> {
    let wrong = |cause: &dyn std::fmt::Display| DataError::format(path, "Parquet", cause);
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    );
    let batch = batch.map_err(|cause| wrong(&cause))?;
    let level = ZstdLevel::try_new(9).map_err(|cause| wrong(&cause))?;
    let mark = KeyValue { key: tables::CANONICAL.to_owned(), value: None };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_key_value_metadata(Some(vec![mark]))
        .build();
    let written = file::replace(path, |file| {
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties))?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(())
    });
    written.map_err(|cause| DataError::io(path, cause))
}
