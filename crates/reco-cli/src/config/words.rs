//! What is wrong with a setting, in words that do not need Rust.

use figment::error::{Actual, Kind};

/// What a value is and what it must be; `text` is the value, if it is text, and `names` are those that its setting
/// takes, where it takes any.
pub(super) fn problem(
    kind: &Kind,
    text: Option<&str>,
    names: impl FnOnce() -> &'static [&'static str],
) -> String {
    match kind {
        Kind::InvalidType(_, wanted) if wanted == "newtype variant" => {
            let name = text.unwrap_or("it");
            format!("`{name}` needs a value, as {{ {name} = 1 }}")
        }
        Kind::InvalidType(Actual::Bool(false), wanted) if wanted.starts_with("struct ") => {
            "cannot be switched off, must be a table of settings, as { name = 1 }".to_owned()
        }
        Kind::InvalidType(found, wanted) if wanted.starts_with("enum ") => {
            format!("is {}, must be one of {}", named(found), names().join(", "))
        }
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => {
            format!("is {}, must be {}", named(found), of_type(wanted))
        }
        Kind::UnknownVariant(found, known) => format!("is \"{found}\", must be one of {}", known.join(", ")),
        Kind::UnknownField(_, []) => "there is no such setting".to_owned(),
        Kind::UnknownField(_, known) => format!("there is no such setting; there are {}", known.join(", ")),
        Kind::MissingField(name) => format!("{name} is missing"),
        other => other.to_string(),
    }
}

fn named(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        Actual::Char(value) => format!("\"{value}\""),
        Actual::Str(value) => format!("\"{value}\""),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        Actual::Unit | Actual::Option => "nothing".to_owned(),
        other => other.to_string(),
    }
}

fn of_type(wanted: &str) -> &str {
    match wanted {
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number not below 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "bool" | "a boolean" => "true or false",
        "a string" | "a borrowed string" | "path string" => "text",
        "a sequence" => "a list, as [1, 2]",
        "a map" => "a table, as { name = 1 }",
        _ if wanted.starts_with("struct ") => "a table of settings, as { name = 1 }",
        _ => wanted,
    }
}
