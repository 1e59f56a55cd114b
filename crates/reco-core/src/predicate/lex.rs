//! Splitting an expression into words, values and signs.

use super::PredicateError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A bare word: keyword or column.
    Word(String),
    /// A back-ticked column.
    Quoted(String),
    Text(String),
    Number(f64),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `(`, `)`, `,`
    Sign(&'static str),
    End,
}

impl Token {
    /// How it reads in an error.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(word) | Self::Quoted(word) => format!("`{word}`"),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Number(number) => format!("the number {number}"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

const SIGNS: [&str; 10] = ["!=", "<=", ">=", "==", "=", "<", ">", "(", ")", ","];

/// Tokens with the characters they begin at, from 1; the last is [`Token::End`].
pub(super) fn lex(source: &str) -> Result<Vec<(usize, Token)>, PredicateError> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let token = match chars[at] {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            quote @ ('"' | '\'' | '`') => {
                let (text, end) = quoted(&chars, at, quote, source)?;
                at = end;
                if quote == '`' { Token::Quoted(text) } else { Token::Text(text) }
            }
            c if c.is_ascii_digit() || ((c == '-' || c == '.') && digit_follows(&chars, at)) => {
                at += 1;
                while chars.get(at).is_some_and(|c| c.is_ascii_alphanumeric() || *c == '.')
                    || is_exponent_sign(&chars, at)
                {
                    at += 1;
                }
                Token::Number(number(&chars[start..at], start, source)?)
            }
            c if c.is_alphabetic() || c == '_' => {
                while chars.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                    at += 1;
                }
                Token::Word(chars[start..at].iter().collect())
            }
            c => {
                let sign = SIGNS.iter().find(|sign| starts_with(&chars[at..], sign));
                let sign = sign.ok_or_else(|| {
                    PredicateError::new(source, start + 1, format!("`{c}` has no meaning here"))
                })?;
                at += sign.len();
                Token::Sign(if *sign == "==" { "=" } else { sign })
            }
        };
        tokens.push((start + 1, token));
    }
    tokens.push((chars.len() + 1, Token::End));
    Ok(tokens)
}

fn starts_with(chars: &[char], sign: &str) -> bool {
    sign.chars().enumerate().all(|(i, c)| chars.get(i) == Some(&c))
}

fn digit_follows(chars: &[char], at: usize) -> bool {
    chars.get(at + 1).is_some_and(|c| c.is_ascii_digit() || *c == '.')
}

/// The sign in 1e-3.
fn is_exponent_sign(chars: &[char], at: usize) -> bool {
    matches!(chars.get(at), Some('-' | '+')) && matches!(chars[at - 1], 'e' | 'E')
}

fn number(chars: &[char], start: usize, source: &str) -> Result<f64, PredicateError> {
    let text: String = chars.iter().collect();
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(PredicateError::new(source, start + 1, format!("`{text}` is no number"))),
    }
}

/// The text up to the closing quote and the position behind it; a backslash keeps the next character.
fn quoted(
    chars: &[char],
    start: usize,
    quote: char,
    source: &str,
) -> Result<(String, usize), PredicateError> {
    let mut text = String::new();
    let mut at = start + 1;
    while let Some(&c) = chars.get(at) {
        at += 1;
        if c == quote {
            return Ok((text, at));
        }
        if c == '\\' && chars.get(at).is_some() {
            text.push(chars[at]);
            at += 1;
        } else {
            text.push(c);
        }
    }
    Err(PredicateError::new(source, start + 1, format!("the text that begins here has no closing {quote}")))
}
