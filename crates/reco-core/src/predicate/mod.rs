//! A boolean language over catalogue columns: `category in ("tea", "coffee") and price < 20`.
//!
//! ```text
//! expression  = and { "or" and }
//! and         = not { "and" not }
//! not         = [ "not" ] ( "(" expression ")" | comparison )
//! comparison  = column ( = | != | < | <= | > | >= ) value
//!             | column [ "not" ] "in" "(" value { "," value } ")"
//!             | column "has" value            -- a tag set holds the label
//!             | column "any" "(" value { "," value } ")"   -- it holds one of them
//!             | column "is" ( "missing" | "present" )
//! value       = "text" | 'text' | number | true | false
//! ```
//!
//! Keywords are case-insensitive; a column whose name is no plain word stands in back-ticks. An item
//! without a value for the column (or without any tag) matches no comparison, `!=` and `not in` included;
//! a `not` in front turns the answer round, so `not price < 20` also keeps items without a price; say
//! `price >= 20` to leave them out. Times compare with a date in quotes, `created_at >= "2017-06-01"` or
//! `"2017-06-01T14:30:00+02:00"`, in UTC unless it has an offset, or with milliseconds since 1970; a date
//! without a time is its first moment, also behind `=`.

mod attributes;
mod bind;
mod lex;
mod near;
mod parse;
#[cfg(test)]
mod tests;
mod unknown;

pub use bind::BoundPredicate;

use crate::catalog::Catalog;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A parsed expression, not yet tied to a catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Predicate {
    source: Arc<str>,
    root: Arc<Node>,
}

/// A column name and where it stands in the text.
#[derive(Clone, Debug, PartialEq)]
struct Name {
    text: String,
    column: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Box<Node>),
    Compare(Name, Order, Value),
    /// Equal to one of these, or holding it as a tag.
    In(Name, Vec<Value>),
    Missing(Name),
}

impl Node {
    fn named(&self, column: &str) -> Vec<&str> {
        match self {
            Self::Any(nodes) | Self::All(nodes) => nodes.iter().flat_map(|node| node.named(column)).collect(),
            Self::In(name, values) if name.text == column => {
                let texts = values.iter().filter_map(|value| match value {
                    Value::Text(label) => Some(label.as_str()),
                    _ => None,
                });
                texts.collect()
            }
            Self::In(..) | Self::Not(_) | Self::Compare(..) | Self::Missing(_) => Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// Why a text is no predicate, or not one for this catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredicateError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub message: String,
    source: Arc<str>,
}

impl PredicateError {
    fn new(source: &str, column: usize, message: impl Into<String>) -> Self {
        Self { column, message: message.into(), source: source.into() }
    }
}

impl fmt::Display for PredicateError {
    /// One line with the place, then the line of the text that it is in with a caret under it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, message, source } = self;
        // Characters into the line that holds the place, which a line break itself ends.
        let (mut line, mut into) = (&**source, column.saturating_sub(1));
        while let Some((first, rest)) = line.split_once('\n') {
            let length = first.chars().count();
            if into <= length {
                line = first;
                break;
            }
            (line, into) = (rest, into - length - 1);
        }
        write!(f, "column {column}: {message}\n  {line}\n  {:>1$}", "^", into + 1)
    }
}

impl std::error::Error for PredicateError {}

impl FromStr for Predicate {
    type Err = PredicateError;

    fn from_str(text: &str) -> Result<Self, PredicateError> {
        let root = parse::parse(text)?;
        Ok(Self { source: text.into(), root: Arc::new(root) })
    }
}

impl TryFrom<String> for Predicate {
    type Error = PredicateError;

    fn try_from(text: String) -> Result<Self, PredicateError> {
        text.parse()
    }
}

impl From<Predicate> for String {
    fn from(predicate: Predicate) -> Self {
        predicate.source.to_string()
    }
}

impl Predicate {
    /// The text it was parsed from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Looks the names up.
    ///
    /// # Errors
    ///
    /// Names a column the catalogue lacks, or a comparison that makes no sense for it.
    pub fn bind(&self, catalog: &Catalog) -> Result<BoundPredicate, PredicateError> {
        bind::bind(&self.root, catalog, &self.source)
    }

    /// The labels of a column that it asks for by name; not those it rules out.
    pub fn named(&self, column: &str) -> Vec<&str> {
        self.root.named(column)
    }

    /// One line for each column it looks at in which no item of the catalogue has a value, and for each label
    /// that no item has: no mistake, for items come and go, but often a slip.
    pub fn remarks(&self, catalog: &Catalog) -> Vec<String> {
        unknown::remarks(&self.root, catalog)
    }
}
