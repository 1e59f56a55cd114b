//! Items: records of the catalogue.

use super::Import;
use crate::data::cells::{Cells, Misfit};
use crate::data::extra::settle;
use crate::data::source::{Source, View};
use crate::data::{DataError, Preset};
use crate::progress::Progress;
use reco_core::catalog::{CatalogError, ItemRecord, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

impl Import {
    pub(in crate::data) fn items(
        &mut self,
        source: Source,
        progress: &dyn Progress,
    ) -> Result<(), DataError> {
        self.kept[0] = source.about.kept();
        let columns = source.about.layout.extra.clone();
        self.each_batch(source, "reading items", progress, |import, view| {
            for row in 0..view.n_rows() {
                let pushed = record(view, row).and_then(|record| import.item(view, row, record));
                if let Err(misfit) = pushed {
                    import.bad.tolerate(view.bad(row, misfit))?;
                }
            }
            Ok(())
        })?;
        for extra in columns.iter().filter(|extra| extra.is_untyped) {
            settle(self.catalog.extra_mut(&extra.name).collect());
        }
        self.n_item_rows = self.catalog.len();
        progress.end(&format!("{} items", self.catalog.len()));
        Ok(())
    }

    fn item(&mut self, view: &View<'_>, row: usize, record: ItemRecord) -> Result<(), Misfit> {
        let (field, want) = match self.catalog.push(record) {
            Ok(_) => return Ok(()),
            Err(CatalogError::Duplicate { .. }) => ("item", "is there already; an item has one row"),
            Err(CatalogError::BadNumber { field, .. }) => (field, "must be a finite number, not below 0"),
            Err(_) => ("item", "is empty, must be an id"),
        };
        Err(view.field(field).unwrap_or(view.required("item")).misfit(row, want))
    }
}

fn record(view: &View<'_>, row: usize) -> Result<ItemRecord, Misfit> {
    let text = |field| view.field(field).and_then(|cells| cells.text(row)).map(Cow::into_owned);
    let number = |field| view.field(field).map_or(Ok(None), |cells| cells.number(row));
    let flag = |field| view.field(field).map_or(Ok(None), |cells| cells.flag(row));
    let list = |field| view.field(field).map(|cells| cells.list(row));
    let mut record = ItemRecord {
        key: view.required("item").key(row)?.into_owned(),
        title: text("title"),
        text: text("text"),
        category: view.field("category").and_then(|cells| category(cells, row)),
        subcategory: text("subcategory"),
        brand: text("brand"),
        tags: list("tags").unwrap_or_default(),
        price: number("price")?,
        margin: number("margin")?,
        stock: number("stock")?,
        active: match flag("active")? {
            Some(active) => Some(active),
            None => flag("hidden")?.map(|hidden| !hidden),
        },
        created_at: view.field("created_at").map_or(Ok(None), |cells| cells.moment(row))?,
        extra: BTreeMap::new(),
    };
    if view.field("tags").is_none()
        && let Some(categories) = view.field("category").filter(|cells| cells.is_list())
    {
        record.tags = categories.list(row);
    }
    keep_attributes(&mut record, view, row);
    if view.about().preset.is_some_and(Preset::titles_have_years) {
        split_year(&mut record);
        record.tags.retain(|tag| tag != "(no genres listed)");
    }
    if record.title.is_none() && view.about().preset.is_some_and(Preset::comments_are_titles) {
        record.title = record.text.take();
    }
    if record.category.is_none() {
        record.category = record.tags.first().cloned();
    }
    Ok(record)
}

/// The category, or the first of several. A comma may be part of its name.
fn category(cells: &Cells<'_>, row: usize) -> Option<String> {
    let whole = cells.text(row)?;
    if cells.is_list() || whole.contains('|') || whole.starts_with('[') {
        return cells.list(row).into_iter().next();
    }
    Some(whole.into_owned())
}

fn keep_attributes(record: &mut ItemRecord, view: &View<'_>, row: usize) {
    let preset = view.about().preset;
    for extra in &view.about().layout.extra {
        let value = view.column(extra.column).value(row);
        if preset.is_some_and(|preset| preset.is_genre(&extra.name)) {
            if value == Some(Value::Text("1".to_owned())) {
                record.tags.push(extra.name.clone());
            }
        } else if let Some(value) = value {
            record.extra.insert(extra.name.clone(), value);
        }
    }
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
