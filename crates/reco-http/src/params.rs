//! Query parameters, checked by name.

use crate::error::ApiError;
use axum::extract::RawQuery;
use reco_core::event::{LONGEST_KEY, LONGEST_NAME};
use reco_core::id::ItemKey;
use reco_core::request::listed;
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

/// The parameters of a request. One that the route does not know is refused, so that a misspelt one is noticed.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string: `name=value` joined by `&`, escapes and `+` as forms write them.
    pub(crate) fn new(RawQuery(query): RawQuery, known: &[&str]) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.as_deref().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).map_err(|problem| ApiError::parameter("query", problem))?;
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let message = format!("there is no parameter `{name}`; there are {known}");
                return Err(ApiError::parameter(name, message));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                let message = format!("{name} is given twice");
                return Err(ApiError::parameter(name, message));
            }
            let value =
                decoded(value).map_err(|problem| ApiError::parameter(&*name, format!("{name} {problem}")))?;
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The text of a parameter; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some(found.1.as_str()).filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| ApiError::parameter(name, format!("{name} is missing")))
    }

    /// The id in a parameter, as long as that of an event may be.
    pub(crate) fn key(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.text(name).map(|key| short(name, key)).transpose()
    }

    /// The name of a session in a parameter, as long as that of an event may be.
    pub(crate) fn name(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.text(name).map(|session| within(name, session, LONGEST_NAME)).transpose()
    }

    pub(crate) fn required_key(&self, name: &str) -> Result<&str, ApiError> {
        short(name, self.required(name)?)
    }

    /// A parameter of any type that reads from text; `want` says what would be right.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str, want: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| ApiError::parameter(name, format!("{name} is `{text}`, must be {want}")))
    }

    /// A whole number within bounds that are both allowed.
    pub(crate) fn between<T>(&self, name: &str, least: T, most: T) -> Result<Option<T>, ApiError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let want = format!("a whole number from {least} to {most}");
        match self.parsed(name, &want)? {
            Some(number) if number < least || number > most => {
                Err(ApiError::parameter(name, format!("{name} is {number}, must be {want}")))
            }
            known => Ok(known),
        }
    }

    /// Items, as [`listed`] reads them.
    pub(crate) fn items(&self, name: &str) -> Result<Vec<ItemKey>, ApiError> {
        let items = self.text(name).map(listed).unwrap_or_default();
        items.iter().try_for_each(|item| short(name, item.as_str()).map(|_| ()))?;
        Ok(items)
    }
}

fn short<'a>(name: &str, key: &'a str) -> Result<&'a str, ApiError> {
    within(name, key, LONGEST_KEY)
}

fn within<'a>(name: &str, key: &'a str, longest: usize) -> Result<&'a str, ApiError> {
    if key.len() <= longest {
        return Ok(key);
    }
    let message = format!("{name} has an id of {} bytes, at most {longest} are allowed", key.len());
    Err(ApiError::parameter(name, message))
}

/// Resolves `%xx` and `+`. What is no UTF-8 is refused: a replacement character would name another item.
fn decoded(text: &str) -> Result<String, &'static str> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    let mut pieces = spaced.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.ok_or("has a % that two hexadecimal digits do not follow")?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| "is no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_resolved_or_refused() {
        for (text, expected) in [
            ("plain", Ok("plain")),
            ("a+b%20c%2B", Ok("a b c+")),
            ("%E2%82%ac", Ok("€")),
            ("%", Err("has a % that two hexadecimal digits do not follow")),
            ("%2", Err("has a % that two hexadecimal digits do not follow")),
            ("%+1", Err("has a % that two hexadecimal digits do not follow")),
            ("%é", Err("has a % that two hexadecimal digits do not follow")),
            ("%ff", Err("is no UTF-8")),
        ] {
            assert_eq!(decoded(text).as_deref(), expected.as_ref().map(|&text| text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(text in ".{0,30}") {
            let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decoded(&escaped), Ok(text));
        }

        #[test]
        fn nothing_panics(text in ".{0,30}") {
            let _ = decoded(&text);
        }
    }
}
