//! The text as sections of fields, one a line: `name=value`.

use crate::rank::dense::ModelError;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

/// Line after the last tree; what follows is not needed to score.
const END: &str = "end of trees";

/// A section: the header, or a tree.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    model: Arc<str>,
    /// Its first line, and that line's number from 1 on.
    title: &'a str,
    line: usize,
    /// Line and value of each field.
    values: BTreeMap<&'a str, (usize, &'a str)>,
}

/// Cuts a file up: the header, then the trees.
pub(super) fn sections<'a>(model: &Arc<str>, bytes: &'a [u8]) -> Result<Vec<Fields<'a>>, ModelError> {
    let invalid = |line, problem: &str| ModelError::Invalid {
        model: Arc::clone(model),
        place: format!("line {line}"),
        problem: problem.to_owned(),
    };
    let mut sections: Vec<Fields<'a>> = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let line = std::str::from_utf8(line).map_err(|_| invalid(number, "not text"))?.trim_ascii_end();
        if line == END {
            return Ok(sections);
        }
        if number == 1 || line.starts_with("Tree=") {
            let model = Arc::clone(model);
            sections.push(Fields { model, title: line, line: number, values: BTreeMap::new() });
        } else if !line.is_empty() {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let section = sections.last_mut().expect("the first line begins a section");
            if section.values.insert(name, (number, value)).is_some() {
                return Err(invalid(number, &format!("`{name}` comes twice in `{}`", section.title)));
            }
        }
    }
    Err(ModelError::Truncated { model: Arc::clone(model), missing: format!("the line `{END}`") })
}

impl<'a> Fields<'a> {
    /// The model they are of.
    pub(super) fn model(&self) -> &Arc<str> {
        &self.model
    }

    /// Whether there is a field of that name, with a value or without.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The text of a field, if it is there.
    pub(super) fn optional(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).map(|&(_, value)| value)
    }

    /// The text of a field.
    pub(super) fn required(&self, name: &'static str) -> Result<&'a str, ModelError> {
        self.optional(name).ok_or_else(|| self.invalid(name, "missing".to_owned()))
    }

    /// The words of a field.
    pub(super) fn words(&self, name: &'static str) -> Result<impl Iterator<Item = &'a str>, ModelError> {
        Ok(self.required(name)?.split_ascii_whitespace())
    }

    /// The number in a field.
    pub(super) fn number<T: FromStr>(&self, name: &'static str) -> Result<T, ModelError> {
        self.parsed(name, self.required(name)?)
    }

    /// The numbers in a field, so many of them.
    pub(super) fn numbers<T: FromStr>(&self, name: &'static str, len: usize) -> Result<Vec<T>, ModelError> {
        let numbers: Vec<T> =
            self.words(name)?.map(|word| self.parsed(name, word)).collect::<Result<_, _>>()?;
        if numbers.len() == len {
            Ok(numbers)
        } else {
            Err(self.invalid(name, format!("{} values, where {len} belong", numbers.len())))
        }
    }

    fn parsed<T: FromStr>(&self, name: &'static str, word: &str) -> Result<T, ModelError> {
        word.parse().map_err(|_| self.invalid(name, format!("`{word}` is not such a number")))
    }

    /// What is wrong with a field.
    pub(super) fn invalid(&self, name: &'static str, problem: String) -> ModelError {
        let line = self.values.get(name).map_or(self.line, |&(line, _)| line);
        let place = format!("line {line}, `{name}` of `{}`", self.title);
        ModelError::Invalid { model: Arc::clone(&self.model), place, problem }
    }

    /// Why a sound model is not scored here.
    pub(super) fn unsupported(&self, field: &'static str, value: String, instead: &str) -> ModelError {
        ModelError::Unsupported { model: Arc::clone(&self.model), field, value, instead: instead.to_owned() }
    }
}
