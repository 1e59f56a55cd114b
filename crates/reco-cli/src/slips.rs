//! Mistakes in what was asked for, told all at once and before any work is begun.

use std::fmt;

/// At least one mistake, one line each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slips(pub(crate) Vec<String>);

impl Slips {
    /// Fails for any; what is said twice, as of a setting and of each candidate that shares it, is told once.
    pub(crate) fn none_of(lines: impl IntoIterator<Item = String>) -> Result<(), Self> {
        let mut told: Vec<String> = Vec::new();
        for line in lines {
            if !told.contains(&line) {
                told.push(line);
            }
        }
        if told.is_empty() { Ok(()) } else { Err(Self(told)) }
    }
}

impl fmt::Display for Slips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [one] => f.write_str(one),
            all => write!(f, "there are {} mistakes:\n  - {}", all.len(), all.join("\n  - ")),
        }
    }
}

impl std::error::Error for Slips {}

impl From<String> for Slips {
    fn from(line: String) -> Self {
        Self(vec![line])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_told_and_none_twice() {
        let told = |lines: &[&str]| {
            let lines = lines.iter().map(|line| (*line).to_owned());
            Slips::none_of(lines).map_err(|slips| slips.to_string())
        };
        assert_eq!(told(&[]), Ok(()));
        assert_eq!(told(&["a is 0", "a is 0"]), Err("a is 0".to_owned()));
        assert_eq!(told(&["a", "b", "a"]), Err("there are 2 mistakes:\n  - a\n  - b".to_owned()));
    }
}
