//! What an expression names and no item has, labels and whole columns: allowed, but often a slip.

use super::bind::{Field, Kind, field};
use super::{Name, Node, Value, near};
use crate::catalog::Catalog;

/// Beyond so many labels nobody waits for the nearest.
const MOST_LABELS: usize = 2_000;

/// Labels that a nearest one is looked for: a page is waiting for this.
const MOST_HINTS: usize = 3;

/// One line for each column in which no item has a value, then one for each label that no item has.
pub(super) fn remarks(node: &Node, catalog: &Catalog) -> Vec<String> {
    let mut found = Found::default();
    found.collect(node, catalog);
    let columns = found.empty.iter().map(|name| format!("no item has a value for `{name}`"));
    let labels = found.labels.iter().enumerate();
    columns.chain(labels.map(|(place, label)| label.remark(catalog, place < MOST_HINTS))).collect()
}

/// What an expression names in vain.
#[derive(Default)]
struct Found<'a> {
    /// Columns in which no item has a value.
    empty: Vec<&'a str>,
    /// Labels of other columns.
    labels: Vec<Unknown<'a>>,
}

/// A label that no item has in a column.
struct Unknown<'a> {
    name: &'a Name,
    field: Field,
    label: &'a str,
}

impl Unknown<'_> {
    fn remark(&self, catalog: &Catalog, with_hint: bool) -> String {
        let known: Vec<&str> =
            self.field.labels(catalog).take(if with_hint { MOST_LABELS } else { 0 }).collect();
        let near = near::nearest(self.label, &known);
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("no item has the {} `{}`{hint}", self.name.text, self.label)
    }
}

impl<'a> Found<'a> {
    fn collect(&mut self, node: &'a Node, catalog: &Catalog) {
        match node {
            Node::Any(nodes) | Node::All(nodes) => nodes.iter().for_each(|node| self.collect(node, catalog)),
            Node::Not(node) => self.collect(node, catalog),
            Node::Compare(name, ..) | Node::Missing(name) => self.column(name, &[], catalog),
            Node::In(name, values) => self.column(name, values, catalog),
        }
    }

    fn column(&mut self, name: &'a Name, values: &'a [Value], catalog: &Catalog) {
        let Some((field, kind)) = field(&name.text, catalog) else { return };
        if field.is_empty(catalog) {
            if !self.empty.contains(&name.text.as_str()) {
                self.empty.push(&name.text);
            }
        } else if kind == Kind::Labels {
            let labels = values.iter().filter_map(|value| match value {
                Value::Text(label) if field.code(catalog, label).is_none() => Some(label),
                _ => None,
            });
            self.labels.extend(labels.map(|label| Unknown { name, field: field.clone(), label }));
        }
    }
}
