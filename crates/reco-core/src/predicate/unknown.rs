//! Labels that an expression names and no item has: allowed, but often a slip.

use super::bind::{Field, Kind, field};
use super::{Name, Node, Value, near};
use crate::catalog::Catalog;

/// Beyond so many labels nobody waits for the nearest.
const MOST_LABELS: usize = 2_000;

/// Labels that a nearest one is looked for: a page is waiting for this.
const MOST_HINTS: usize = 3;

/// One line for each label that no item has.
pub(super) fn labels(node: &Node, catalog: &Catalog) -> Vec<String> {
    let mut unknown = Vec::new();
    collect(node, catalog, &mut unknown);
    unknown.iter().enumerate().map(|(place, label)| label.remark(catalog, place < MOST_HINTS)).collect()
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

fn collect<'a>(node: &'a Node, catalog: &Catalog, unknown: &mut Vec<Unknown<'a>>) {
    match node {
        Node::Any(nodes) | Node::All(nodes) => nodes.iter().for_each(|node| collect(node, catalog, unknown)),
        Node::Not(node) => collect(node, catalog, unknown),
        Node::In(name, values) => {
            let Some((field, Kind::Labels)) = field(&name.text, catalog) else { return };
            for value in values {
                match value {
                    Value::Text(label) if field.code(catalog, label).is_none() => {
                        unknown.push(Unknown { name, field: field.clone(), label });
                    }
                    _ => {}
                }
            }
        }
        Node::Compare(..) | Node::Missing(_) => {}
    }
}
