//! Reading items, users and interactions into a data set.

use super::cells::{Cells, Misfit, split_list};
use super::error::{BadRow, BadRows, shortened};
use super::layout::{self, Role};
use super::spec::{FileSpec, Preset};
use super::tables::{self, Batch, Table};
use super::{DataError, Dataset, ImportSpec};
use crate::progress::Progress;
use reco_core::catalog::{Catalog, CatalogBuilder, Column, ItemRecord, Labels, Value};
use reco_core::event::Action;
use reco_core::id::ItemId;
use reco_core::interactions::InteractionLog;
use reco_core::time::Timestamp;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What was read.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ImportReport {
    /// Items, those without a row of their own included.
    pub items: usize,
    /// Items that only interactions name.
    pub items_without_row: usize,
    /// Users.
    pub users: usize,
    /// Interactions.
    pub interactions: usize,
    /// Interactions per action.
    pub actions: BTreeMap<String, usize>,
    /// First and last moment, where the data has times.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Columns kept as attributes: of items, users, interactions.
    pub kept_columns: [Vec<String>; 3],
    /// Rows left out.
    pub bad_rows: usize,
    /// The first of them.
    pub bad_examples: Vec<BadRow>,
}

/// Reads the files of `spec`.
///
/// # Errors
///
/// [`DataError`] that names file, row, column and value. Nothing is returned then.
pub fn read(spec: &ImportSpec, progress: &dyn Progress) -> Result<(Dataset, ImportReport), DataError> {
    let [interactions, items, users] = layout::files(spec)?;
    let mut import = Import::new(spec);
    if let Some(file) = &items {
        import.items(file, progress)?;
    }
    let n_item_rows = import.catalog.len();
    if let Some(file) = &users {
        import.users(file, progress)?;
    }
    if let Some(file) = &interactions {
        import.interactions(file, progress)?;
    }
    Ok(import.finish(n_item_rows))
}

/// A data set under way.
pub(super) struct Import {
    catalog: CatalogBuilder,
    log: InteractionLog,
    users: Vec<BTreeMap<String, Value>>,
    extra: BTreeMap<String, Column>,
    bad: BadRows,
    kept: [Vec<String>; 3],
    preset: Option<Preset>,
    default_action: Option<Action>,
}

impl Import {
    pub(super) fn new(spec: &ImportSpec) -> Self {
        Self {
            catalog: Catalog::builder(),
            log: InteractionLog::default(),
            users: Vec::new(),
            extra: BTreeMap::new(),
            bad: BadRows::new(spec.skip_bad_rows),
            kept: Default::default(),
            preset: spec.preset,
            default_action: spec.default_action.as_deref().map(Action::from),
        }
    }

    fn items(&mut self, file: &FileSpec, progress: &dyn Progress) -> Result<(), DataError> {
        let table = tables::open(file, self.preset.and_then(|preset| preset.format(Role::Items)))?;
        self.items_of(table, file, progress)
    }

    pub(super) fn items_of(
        &mut self,
        table: Table,
        file: &FileSpec,
        progress: &dyn Progress,
    ) -> Result<(), DataError> {
        let fields = layout::columns(Role::Items, file, &table.names)?;
        let extra = rest(&table.names, &fields);
        self.kept[0] = extra.iter().map(|&column| table.names[column].clone()).collect();
        progress.begin("reading items", table.n_rows.unwrap_or(0));
        for batch in table.batches {
            let batch = self.sound(batch?)?;
            let cells: Vec<Cells<'_>> = batch.columns.iter().map(Cells::new).collect();
            for row in 0..batch.n_rows {
                let record = item(row, &cells, &fields)
                    .map(|record| self.with_extra(record, row, &cells, &extra, &table.names));
                let pushed = match record {
                    Ok(record) => {
                        let key = record.key.clone();
                        let refused = |error: reco_core::catalog::CatalogError| {
                            (0, Misfit { value: key, want: refusal(&error) })
                        };
                        self.catalog.push(record).map(|_| ()).map_err(refused)
                    }
                    Err(misfit) => Err(misfit),
                };
                if let Err((field, misfit)) = pushed {
                    self.refuse(file, &batch, row, &table.names, fields[field], misfit)?;
                }
            }
            progress.advance(batch.n_rows as u64);
        }
        progress.end(&format!("{} items", self.catalog.len()));
        Ok(())
    }

    fn with_extra(
        &self,
        mut record: ItemRecord,
        row: usize,
        cells: &[Cells<'_>],
        extra: &[usize],
        names: &[String],
    ) -> ItemRecord {
        for &column in extra {
            let name = &names[column];
            let value = cells[column].value(row);
            if self.preset == Some(Preset::Movielens100k) && is_genre(name) {
                if value == Some(Value::Number(1.0)) {
                    record.tags.push(name.clone());
                }
            } else if let Some(value) = value {
                record.extra.insert(name.clone(), value);
            }
        }
        if self.preset.is_some_and(Preset::titles_have_years) {
            split_year(&mut record);
            record.tags.retain(|tag| tag != "(no genres listed)");
        }
        if record.category.is_none() {
            record.category = record.tags.first().cloned();
        }
        record
    }

    fn users(&mut self, file: &FileSpec, progress: &dyn Progress) -> Result<(), DataError> {
        let table = tables::open(file, self.preset.and_then(|preset| preset.format(Role::Users)))?;
        self.users_of(table, file, progress)
    }

    pub(super) fn users_of(
        &mut self,
        table: Table,
        file: &FileSpec,
        progress: &dyn Progress,
    ) -> Result<(), DataError> {
        let fields = layout::columns(Role::Users, file, &table.names)?;
        let extra = rest(&table.names, &fields);
        self.kept[1] = extra.iter().map(|&column| table.names[column].clone()).collect();
        progress.begin("reading users", table.n_rows.unwrap_or(0));
        for batch in table.batches {
            let batch = self.sound(batch?)?;
            let cells: Vec<Cells<'_>> = batch.columns.iter().map(Cells::new).collect();
            for row in 0..batch.n_rows {
                let Some(key) = fields[0].and_then(|column| cells[column].text(row)) else {
                    self.refuse(file, &batch, row, &table.names, fields[0], empty_key())?;
                    continue;
                };
                let user = self.log.users.intern(&key) as usize;
                let known = extra
                    .iter()
                    .filter_map(|&column| Some((table.names[column].clone(), cells[column].value(row)?)));
                self.users.resize(self.log.users.len(), BTreeMap::new());
                self.users[user].extend(known);
            }
            progress.advance(batch.n_rows as u64);
        }
        progress.end(&format!("{} users", self.log.users.len()));
        Ok(())
    }

    fn interactions(&mut self, file: &FileSpec, progress: &dyn Progress) -> Result<(), DataError> {
        let table = tables::open(file, self.preset.and_then(|preset| preset.format(Role::Interactions)))?;
        self.interactions_of(table, file, progress)
    }

    pub(super) fn interactions_of(
        &mut self,
        table: Table,
        file: &FileSpec,
        progress: &dyn Progress,
    ) -> Result<(), DataError> {
        let fields = layout::columns(Role::Interactions, file, &table.names)?;
        let extra = rest(&table.names, &fields);
        self.kept[2] = extra.iter().map(|&column| table.names[column].clone()).collect();
        let rated = fields[3].is_some_and(|column| table.names[column].to_lowercase().contains("rating"));
        let fallback =
            self.default_action.clone().unwrap_or(if rated { Action::Rating } else { Action::Purchase });
        let (mut user_ids, mut item_ids) = (FxHashMap::default(), FxHashMap::default());
        progress.begin("reading interactions", table.n_rows.unwrap_or(0));
        for batch in table.batches {
            let batch = self.sound(batch?)?;
            let cells: Vec<Cells<'_>> = batch.columns.iter().map(Cells::new).collect();
            let mut actions = Actions::new(fields[2].map(|column| &cells[column]), &fallback);
            for row in 0..batch.n_rows {
                match interaction(row, &cells, &fields) {
                    Err((field, misfit)) => {
                        self.refuse(file, &batch, row, &table.names, fields[field], misfit)?;
                    }
                    Ok((value, at)) => {
                        let column = |field: usize| fields[field].map(|column| &cells[column]);
                        let user = column(0).and_then(|cells| self.user(cells, row, &mut user_ids));
                        let item = column(1).and_then(|cells| self.item(cells, row, &mut item_ids));
                        let (Some(user), Some(item)) = (user, item) else {
                            let field = usize::from(user.is_some());
                            self.refuse(file, &batch, row, &table.names, fields[field], empty_key())?;
                            continue;
                        };
                        self.log.push(user, item, actions.of(row), value, at);
                        keep_extra(&mut self.extra, self.log.len(), row, &cells, &extra, &table.names);
                    }
                }
            }
            progress.advance(batch.n_rows as u64);
        }
        progress.end(&format!("{} interactions", self.log.len()));
        Ok(())
    }

    /// The user's row; whole numbers are looked up without making text of them.
    fn user(&mut self, cells: &Cells<'_>, row: usize, known: &mut FxHashMap<i64, u32>) -> Option<u32> {
        if let Some(number) = cells.whole(row) {
            return Some(*known.entry(number).or_insert_with(|| self.log.users.intern(&number.to_string())));
        }
        Some(self.log.users.intern(&cells.text(row)?))
    }

    fn item(&mut self, cells: &Cells<'_>, row: usize, known: &mut FxHashMap<i64, ItemId>) -> Option<ItemId> {
        if let Some(number) = cells.whole(row) {
            if let Some(&id) = known.get(&number) {
                return Some(id);
            }
            let id = self.catalog.intern(&number.to_string()).ok()?;
            known.insert(number, id);
            return Some(id);
        }
        self.catalog.intern(&cells.text(row)?).ok()
    }

    /// The batch once its broken rows are accounted for.
    fn sound(&mut self, mut batch: Batch) -> Result<Batch, DataError> {
        std::mem::take(&mut batch.bad).into_iter().try_for_each(|bad| self.bad.tolerate(bad))?;
        Ok(batch)
    }

    fn refuse(
        &mut self,
        file: &FileSpec,
        batch: &Batch,
        row: usize,
        names: &[String],
        column: Option<usize>,
        misfit: Misfit,
    ) -> Result<(), DataError> {
        self.bad.tolerate(BadRow {
            file: file.path.clone(),
            row: batch.rows.of(row),
            column: column.map(|column| names[column].clone()).unwrap_or_default(),
            value: shortened(&misfit.value),
            want: misfit.want.to_owned(),
        })
    }

    pub(super) fn finish(self, n_item_rows: usize) -> (Dataset, ImportReport) {
        let mut actions: BTreeMap<String, usize> = BTreeMap::new();
        for &code in &self.log.action {
            *actions.entry(self.log.actions[code as usize].name().to_owned()).or_default() += 1;
        }
        let catalog = self.catalog.build();
        let mut users = self.users;
        users.resize(self.log.users.len(), BTreeMap::new());
        let report = ImportReport {
            items: catalog.len(),
            items_without_row: catalog.len() - n_item_rows,
            users: self.log.users.len(),
            interactions: self.log.len(),
            actions,
            span: self.log.has_times().then(|| self.log.span()).flatten(),
            kept_columns: self.kept,
            bad_rows: self.bad.count,
            bad_examples: self.bad.examples,
        };
        (Dataset { catalog, log: self.log, users, extra: self.extra }, report)
    }
}

fn empty_key() -> Misfit {
    Misfit { value: String::new(), want: "is empty, must be an id" }
}

fn refusal(error: &reco_core::catalog::CatalogError) -> &'static str {
    use reco_core::catalog::CatalogError;
    match error {
        CatalogError::Duplicate { .. } => "is there already; an item has one row",
        CatalogError::BadNumber { .. } => "has a price or stock below 0",
        _ => "is empty, must be an id",
    }
}

/// Columns that hold no field.
fn rest(names: &[String], fields: &[Option<usize>]) -> Vec<usize> {
    (0..names.len()).filter(|column| !fields.contains(&Some(*column))).collect()
}

type FieldMisfit = (usize, Misfit);

/// Value and moment of an interaction.
fn interaction(
    row: usize,
    cells: &[Cells<'_>],
    fields: &[Option<usize>],
) -> Result<(Option<f32>, Timestamp), FieldMisfit> {
    let value = match fields[3] {
        Some(column) => cells[column].number(row).map_err(|misfit| (3, misfit))?,
        None => None,
    };
    let at = match fields[4] {
        Some(column) => {
            let missing = || (4, Misfit { value: String::new(), want: "is empty, must be a moment" });
            cells[column].moment(row).map_err(|misfit| (4, misfit))?.ok_or_else(missing)?
        }
        None => Timestamp::default(),
    };
    Ok((value.map(|value| value as f32), at))
}

/// Actions of a batch; runs of the same one are recognised without looking it up again.
struct Actions<'a, 'b> {
    cells: Option<&'b Cells<'a>>,
    name: Option<Cow<'a, str>>,
    action: Action,
    fallback: Action,
}

impl<'a, 'b> Actions<'a, 'b> {
    fn new(cells: Option<&'b Cells<'a>>, fallback: &Action) -> Self {
        Self { cells, name: None, action: fallback.clone(), fallback: fallback.clone() }
    }

    fn of(&mut self, row: usize) -> &Action {
        let Some(cells) = self.cells else { return &self.fallback };
        let name = cells.text(row);
        if name != self.name {
            self.action = match &name {
                // Names vary in case and hyphens: "Add-to-cart".
                Some(name) => Action::from(name.to_lowercase().replace(['-', ' '], "_")),
                None => self.fallback.clone(),
            };
            self.name = name;
        }
        &self.action
    }
}

fn keep_extra(
    extra: &mut BTreeMap<String, Column>,
    n_rows: usize,
    row: usize,
    cells: &[Cells<'_>],
    columns: &[usize],
    names: &[String],
) {
    for &column in columns {
        let cells = &cells[column];
        let slot = match extra.get_mut(&names[column]) {
            Some(slot) => slot,
            None => extra.entry(names[column].clone()).or_insert_with(|| match cells {
                Cells::Whole(_) | Cells::Number(_) | Cells::Moment(_) => {
                    Column::Numbers(Vec::with_capacity(n_rows))
                }
                Cells::Flag(_) => Column::Flags(Vec::new()),
                _ => Column::Labels(Labels::default()),
            }),
        };
        match slot {
            Column::Numbers(numbers) => numbers.push(match cells.value(row) {
                Some(Value::Number(number)) => number,
                _ => f64::NAN,
            }),
            Column::Flags(flags) => flags.push(cells.flag(row).ok().flatten()),
            Column::Labels(labels) => labels.push(cells.text(row).as_deref()),
            _ => {}
        }
    }
}

fn item(row: usize, cells: &[Cells<'_>], fields: &[Option<usize>]) -> Result<ItemRecord, FieldMisfit> {
    let position = |name: &str| Role::Items.fields().iter().position(|field| field.name == name).unwrap_or(0);
    let at = |name: &str| fields[position(name)].map(|column| &cells[column]);
    let text = |name: &str| at(name).and_then(|cells| cells.text(row)).map(Cow::into_owned);
    let first = |name: &str| at(name).and_then(|cells| cells.list(row).into_iter().next());
    let number = |name: &str| match at(name) {
        Some(cells) => {
            cells.number(row).map(|n| n.map(|n| n as f32)).map_err(|misfit| (position(name), misfit))
        }
        None => Ok(None),
    };
    let flag = |name: &str| match at(name) {
        Some(cells) => cells.flag(row).map_err(|misfit| (position(name), misfit)),
        None => Ok(None),
    };
    let created_at = match at("created_at") {
        Some(cells) => cells.moment(row).map_err(|misfit| (position("created_at"), misfit))?,
        None => None,
    };
    let tags = match at("tags") {
        // Labels may come as JSON: a list, or an object whose values are labels.
        Some(cells) => labels(cells.list(row), cells.text(row)),
        None => Vec::new(),
    };
    let category = match at("category") {
        Some(cells @ Cells::List(_)) => cells.list(row).into_iter().next(),
        Some(_) => text("category")
            .map(|whole| if whole.contains('|') { first("category").unwrap_or(whole) } else { whole }),
        None => None,
    };
    Ok(ItemRecord {
        key: text("item").ok_or_else(|| (0, empty_key()))?,
        title: text("title"),
        text: text("text"),
        category,
        subcategory: text("subcategory"),
        brand: text("brand"),
        tags,
        price: number("price")?,
        margin: number("margin")?,
        stock: number("stock")?,
        active: match flag("active")? {
            Some(active) => Some(active),
            None => flag("hidden")?.map(|hidden| !hidden),
        },
        created_at,
        extra: BTreeMap::new(),
    })
}

fn labels(list: Vec<String>, text: Option<Cow<'_, str>>) -> Vec<String> {
    let json = text
        .as_deref()
        .filter(|text| text.starts_with(['[', '{']))
        .map(serde_json::from_str::<serde_json::Value>);
    let Some(Ok(json)) = json else { return list };
    let mut found = Vec::new();
    collect_labels(&json, &mut found);
    found
}

fn collect_labels(json: &serde_json::Value, found: &mut Vec<String>) {
    match json {
        serde_json::Value::String(label) => found.extend(split_list(label)),
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect_labels(value, found)),
        serde_json::Value::Object(values) => values.values().for_each(|value| collect_labels(value, found)),
        _ => {}
    }
}

fn is_genre(name: &str) -> bool {
    name.starts_with(char::is_uppercase) || name == "unknown"
}

/// "Toy Story (1995)" is a title and a year.
fn split_year(record: &mut ItemRecord) {
    let Some(title) = &record.title else { return };
    let title = title.trim();
    let Some((name, year)) = title.strip_suffix(')').and_then(|open| open.rsplit_once(" (")) else { return };
    if let Ok(year) = year.parse::<u16>() {
        record.extra.insert("year".to_owned(), Value::Number(f64::from(year)));
        record.title = Some(name.trim().to_owned());
    }
}
