//! Where a server is.

use std::fmt;
use std::str::FromStr;

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A text that is no address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("has `{0}`, must be HOST:PORT such as 127.0.0.1:6379 or [::1]:6379")]
pub(crate) struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        // A colon outside brackets is an address of version 6 whose end cannot be told from a port.
        let sound = bare.is_some() || !host.contains([':', '[', ']', '/', '@']);
        let host = bare.unwrap_or(host);
        if host.is_empty() || !sound {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused() {
        for text in ["127.0.0.1:6379", "redis.example:1", "[::1]:6379"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in
            ["", "host", ":6379", "host:0", "host:65536", "::1:6379", "redis://host:1", "a@b:1", "[]:1"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
