//! Tying an expression to the columns of one catalogue.

use super::{Name, Node, Order, PredicateError, Value, near};
use crate::catalog::{Catalog, Column};
use crate::id::ItemId;
use crate::time::{Timestamp, date};

/// A parsed expression tied to one catalogue's columns; labels have become codes, so that
/// looking at one item costs nanoseconds.
#[derive(Clone, Debug)]
pub struct BoundPredicate(Test);

#[derive(Clone, Debug)]
enum Test {
    Any(Vec<Test>),
    All(Vec<Test>),
    Not(Box<Test>),
    Missing(Field),
    /// The label, or one of the tags, has one of these codes.
    Coded(Field, Vec<u32>),
    Number(Field, Order, f64),
    Numbers(Field, Vec<f64>),
    Flag(Field, bool),
}

/// Where a value is found.
#[derive(Clone, Debug)]
pub(super) enum Field {
    Category,
    Subcategory,
    Brand,
    Tags,
    Price,
    Margin,
    Stock,
    Active,
    CreatedAt,
    Extra(String),
}

/// What kind of values a field has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Labels,
    Number,
    Time,
    Flag,
}

const KNOWN: [(&str, Field, Kind); 9] = [
    ("category", Field::Category, Kind::Labels),
    ("subcategory", Field::Subcategory, Kind::Labels),
    ("brand", Field::Brand, Kind::Labels),
    ("tags", Field::Tags, Kind::Labels),
    ("price", Field::Price, Kind::Number),
    ("margin", Field::Margin, Kind::Number),
    ("stock", Field::Stock, Kind::Number),
    ("active", Field::Active, Kind::Flag),
    ("created_at", Field::CreatedAt, Kind::Time),
];

impl BoundPredicate {
    /// Whether an item matches. `catalog` must be the one it was bound to.
    pub fn matches(&self, catalog: &Catalog, item: ItemId) -> bool {
        self.0.holds(catalog, item)
    }
}

impl Test {
    fn holds(&self, catalog: &Catalog, item: ItemId) -> bool {
        match self {
            Self::Any(tests) => tests.iter().any(|test| test.holds(catalog, item)),
            Self::All(tests) => tests.iter().all(|test| test.holds(catalog, item)),
            Self::Not(test) => !test.holds(catalog, item),
            Self::Missing(field) => field.is_missing(catalog, item),
            Self::Coded(field, codes) => field.codes(catalog, item).any(|code| codes.contains(&code)),
            Self::Flag(field, want) => field.flag(catalog, item) == Some(*want),
            Self::Numbers(field, numbers) => {
                field.number(catalog, item).is_some_and(|number| numbers.contains(&number))
            }
            Self::Number(field, order, want) => {
                field.number(catalog, item).is_some_and(|number| match order {
                    Order::Less => number < *want,
                    Order::AtMost => number <= *want,
                    Order::Greater => number > *want,
                    Order::AtLeast => number >= *want,
                })
            }
        }
    }
}

impl Field {
    fn extra<'a>(&self, catalog: &'a Catalog) -> Option<&'a Column> {
        let Self::Extra(name) = self else { return None };
        catalog.extra().get(name)
    }

    fn codes<'a>(&self, catalog: &'a Catalog, item: ItemId) -> impl Iterator<Item = u32> + use<'a> {
        let (one, many) = match self {
            Self::Category => (catalog.category().code(item), &[][..]),
            Self::Subcategory => (catalog.subcategory().code(item), &[][..]),
            Self::Brand => (catalog.brand().code(item), &[][..]),
            Self::Tags => (None, catalog.tags().codes(item)),
            _ => match self.extra(catalog) {
                Some(Column::Labels(labels)) => (labels.code(item), &[][..]),
                Some(Column::Tags(tags)) => (None, tags.codes(item)),
                _ => (None, &[][..]),
            },
        };
        one.into_iter().chain(many.iter().copied())
    }

    /// The code of a label; `None` when no item has it.
    pub(super) fn code(&self, catalog: &Catalog, label: &str) -> Option<u32> {
        match self {
            Self::Category => catalog.category().find(label),
            Self::Subcategory => catalog.subcategory().find(label),
            Self::Brand => catalog.brand().find(label),
            Self::Tags => catalog.tags().find(label),
            _ => match self.extra(catalog) {
                Some(Column::Labels(labels)) => labels.find(label),
                Some(Column::Tags(tags)) => tags.find(label),
                _ => None,
            },
        }
    }

    /// All labels that items have.
    pub(super) fn labels<'a>(&self, catalog: &'a Catalog) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        match self {
            Self::Category => Box::new(catalog.category().names()),
            Self::Subcategory => Box::new(catalog.subcategory().names()),
            Self::Brand => Box::new(catalog.brand().names()),
            Self::Tags => Box::new(catalog.tags().names()),
            _ => match self.extra(catalog) {
                Some(Column::Labels(labels)) => Box::new(labels.names()),
                Some(Column::Tags(tags)) => Box::new(tags.names()),
                _ => Box::new(std::iter::empty()),
            },
        }
    }

    fn number(&self, catalog: &Catalog, item: ItemId) -> Option<f64> {
        let widened = |value: Option<f32>| value.map(f64::from);
        let millis = |at: Option<Timestamp>| at.map(|at| at.millis() as f64);
        match self {
            Self::Price => widened(catalog.price(item)),
            Self::Margin => widened(catalog.margin(item)),
            Self::Stock => widened(catalog.stock(item)),
            Self::CreatedAt => millis(catalog.created_at(item)),
            _ => match self.extra(catalog) {
                Some(Column::Numbers(numbers)) => {
                    Some(numbers[item.index()]).filter(|number| !number.is_nan())
                }
                Some(Column::Times(times)) => millis(times[item.index()]),
                _ => None,
            },
        }
    }

    /// A constant in the precision of the field: a price of 0.1 is stored in f32 and equals 0.1 there only.
    fn rounded(&self, number: f64) -> f64 {
        match self {
            Self::Price | Self::Margin | Self::Stock => f64::from(number as f32),
            _ => number,
        }
    }

    fn flag(&self, catalog: &Catalog, item: ItemId) -> Option<bool> {
        match self {
            Self::Active => Some(catalog.is_active(item)),
            _ => match self.extra(catalog) {
                Some(Column::Flags(flags)) => flags[item.index()],
                _ => None,
            },
        }
    }

    /// Whether no item has a value here. Looks at all items where none has.
    pub(super) fn is_empty(&self, catalog: &Catalog) -> bool {
        match self {
            Self::Category | Self::Subcategory | Self::Brand | Self::Tags => {
                self.labels(catalog).next().is_none()
            }
            Self::Price | Self::Margin | Self::Stock | Self::CreatedAt => {
                !catalog.ids().any(|item| self.number(catalog, item).is_some())
            }
            Self::Active => false,
            Self::Extra(_) => match self.extra(catalog) {
                Some(Column::Labels(_) | Column::Tags(_)) => self.labels(catalog).next().is_none(),
                Some(Column::Numbers(numbers)) => numbers.iter().all(|number| number.is_nan()),
                Some(Column::Flags(flags)) => flags.iter().all(Option::is_none),
                Some(Column::Times(times)) => times.iter().all(Option::is_none),
                None => true,
            },
        }
    }

    fn is_missing(&self, catalog: &Catalog, item: ItemId) -> bool {
        self.codes(catalog, item).next().is_none()
            && self.number(catalog, item).is_none()
            && self.flag(catalog, item).is_none()
    }
}

pub(super) fn bind(root: &Node, catalog: &Catalog, source: &str) -> Result<BoundPredicate, PredicateError> {
    Binder { catalog, source }.bind(root).map(BoundPredicate)
}

/// The field of a name and what it holds, if the catalogue has one.
pub(super) fn field(name: &str, catalog: &Catalog) -> Option<(Field, Kind)> {
    if let Some((_, field, kind)) = KNOWN.iter().find(|(known, ..)| *known == name) {
        return Some((field.clone(), *kind));
    }
    let kind = match catalog.extra().get(name)? {
        Column::Labels(_) | Column::Tags(_) => Kind::Labels,
        Column::Numbers(_) => Kind::Number,
        Column::Times(_) => Kind::Time,
        Column::Flags(_) => Kind::Flag,
    };
    Some((Field::Extra(name.to_owned()), kind))
}

struct Binder<'a> {
    catalog: &'a Catalog,
    source: &'a str,
}

impl Binder<'_> {
    fn bind(&self, node: &Node) -> Result<Test, PredicateError> {
        let all = |nodes: &[Node]| nodes.iter().map(|node| self.bind(node)).collect::<Result<Vec<_>, _>>();
        Ok(match node {
            Node::Any(nodes) => Test::Any(all(nodes)?),
            Node::All(nodes) => Test::All(all(nodes)?),
            Node::Not(node) => Test::Not(Box::new(self.bind(node)?)),
            Node::Missing(name) => Test::Missing(self.field(name)?.0),
            Node::Compare(name, order, value) => self.compare(name, *order, value)?,
            Node::In(name, values) => self.one_of(name, values)?,
        })
    }

    fn field(&self, name: &Name) -> Result<(Field, Kind), PredicateError> {
        field(&name.text, self.catalog).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &Name) -> PredicateError {
        let known = KNOWN.iter().map(|(known, ..)| *known);
        let columns: Vec<&str> = known.chain(self.catalog.extra().keys().map(String::as_str)).collect();
        let near = near::nearest(&name.text, &columns);
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let message = format!("there is no column `{}`{hint}; there are {}", name.text, columns.join(", "));
        PredicateError::new(self.source, name.column, message)
    }

    fn wrong(&self, name: &Name, what: &str) -> PredicateError {
        PredicateError::new(self.source, name.column, format!("`{}` {what}", name.text))
    }

    fn compare(&self, name: &Name, order: Order, value: &Value) -> Result<Test, PredicateError> {
        let (field, kind) = self.field(name)?;
        if !matches!(kind, Kind::Number | Kind::Time) {
            return Err(self.wrong(name, "has no order; use =, !=, in or not in"));
        }
        let number = self.number(name, &field, kind, value)?;
        Ok(Test::Number(field, order, number))
    }

    /// A constant for a column of numbers or of times.
    fn number(&self, name: &Name, field: &Field, kind: Kind, value: &Value) -> Result<f64, PredicateError> {
        match (kind, value) {
            (_, Value::Number(number)) => Ok(field.rounded(*number)),
            (Kind::Time, Value::Text(text)) => {
                let at = date::parse(text).ok_or_else(|| {
                    let what = format!("holds times, and {text:?} is none; write it like \"2017-06-01\"");
                    self.wrong(name, &what)
                })?;
                Ok(at.millis() as f64)
            }
            (Kind::Time, _) => {
                Err(self.wrong(name, "holds times, so it compares with one like \"2017-06-01\""))
            }
            _ => Err(self.wrong(name, "holds numbers, so it compares with a number")),
        }
    }

    /// Equality with any of `values`.
    fn one_of(&self, name: &Name, values: &[Value]) -> Result<Test, PredicateError> {
        match self.field(name)? {
            (field, Kind::Labels) => {
                let label = |value: &Value| match value {
                    Value::Text(label) => Ok(field.code(self.catalog, label)),
                    _ => Err(self.wrong(name, "holds text, so it compares with \"text\"")),
                };
                // A label that no item has matches nothing; that is no mistake of the caller's.
                let codes = values.iter().map(label).collect::<Result<Vec<_>, _>>()?;
                Ok(Test::Coded(field, codes.into_iter().flatten().collect()))
            }
            (field, kind @ (Kind::Number | Kind::Time)) => {
                let number = |value| self.number(name, &field, kind, value);
                let numbers = values.iter().map(number).collect::<Result<_, _>>()?;
                Ok(Test::Numbers(field, numbers))
            }
            (field, Kind::Flag) => {
                let flag = |value: &Value| match value {
                    Value::Flag(flag) => Ok(Test::Flag(field.clone(), *flag)),
                    _ => Err(self.wrong(name, "is true or false")),
                };
                Ok(Test::Any(values.iter().map(flag).collect::<Result<_, _>>()?))
            }
        }
    }
}
