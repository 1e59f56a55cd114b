//! Labels that an expression names and no item has: allowed, but often a slip.

use super::bind::{Field, Kind, field};
use super::{Name, Node, Value, near};
use crate::catalog::Catalog;

/// Beyond so many labels nobody waits for the nearest.
const MOST_LABELS: usize = 2_000;

/// One line for each label that no item has.
pub(super) fn labels(node: &Node, catalog: &Catalog) -> Vec<String> {
    match node {
        Node::Any(nodes) | Node::All(nodes) => nodes.iter().flat_map(|node| labels(node, catalog)).collect(),
        Node::Not(node) => labels(node, catalog),
        Node::In(name, values) => match field(&name.text, catalog) {
            Some((field, Kind::Labels)) => unknown(name, &field, values, catalog),
            _ => Vec::new(),
        },
        Node::Compare(..) | Node::Missing(_) => Vec::new(),
    }
}

fn unknown(name: &Name, field: &Field, values: &[Value], catalog: &Catalog) -> Vec<String> {
    let texts = values.iter().filter_map(|value| match value {
        Value::Text(text) => Some(text),
        _ => None,
    });
    let strangers = texts.filter(|text| field.code(catalog, text).is_none());
    let remark = |text: &String| {
        let known: Vec<&str> = field.labels(catalog).take(MOST_LABELS).collect();
        let near = near::nearest(text, &known);
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("no item has the {} `{text}`{hint}", name.text)
    };
    strangers.map(remark).collect()
}
