//! JSON as Python writes it, where numbers need not be finite.

use serde_json::Value;

/// Reads JSON in which `NaN`, `Infinity` and `-Infinity` may stand; they become strings.
pub(super) fn read(text: &str) -> Result<Value, serde_json::Error> {
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).or_else(|error| {
        let quoted = with_quotes(text);
        if quoted == text { Err(error) } else { serde_json::from_str(&quoted) }
    })
}

/// With quotes around the words for numbers that are not finite, unless they stand within a string.
fn with_quotes(text: &str) -> String {
    let (mut quoted, mut rest) = (String::with_capacity(text.len()), text);
    let (mut within, mut escaped) = (false, false);
    while let Some(next) = rest.chars().next() {
        let word =
            ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| !within && rest.starts_with(word));
        if let Some(word) = word {
            quoted.extend(["\"", word, "\""]);
            rest = &rest[word.len()..];
            continue;
        }
        within ^= next == '"' && !escaped;
        escaped = within && next == '\\' && !escaped;
        quoted.push(next);
        rest = &rest[next.len_utf8()..];
    }
    quoted
}

/// A number, or one of the words for what is none; null is none, too.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => Some(f64::NAN),
        Value::Number(number) => number.as_f64(),
        Value::String(word) => match word.to_ascii_lowercase().as_str() {
            "nan" => Some(f64::NAN),
            "inf" | "infinity" | "+inf" => Some(f64::INFINITY),
            "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// A number as a value, and a word for what is none.
pub(super) fn value(number: f64) -> Value {
    let word = || Value::String(format!("{number}"));
    serde_json::Number::from_f64(number).map_or_else(word, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_finite_are_read_and_strings_left_alone() {
        let read = read(r#"{"a \" NaN": [NaN, -Infinity, 1.5, "NaN, \\"], "b": Infinity}"#).unwrap();
        let list = read["a \" NaN"].as_array().unwrap();
        assert!(number(&list[0]).unwrap().is_nan());
        assert_eq!(number(&list[1]), Some(f64::NEG_INFINITY));
        assert_eq!(number(&list[2]), Some(1.5));
        assert_eq!(list[3], "NaN, \\");
        assert_eq!(number(&read["b"]), Some(f64::INFINITY));
        assert!(super::read("{NaN").is_err());
    }
}
