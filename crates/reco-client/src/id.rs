//! Names of events: what tells the server that one came before.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A UUID of version 7 (RFC 9562), shown as 32 hexadecimal digits. An event that is sent twice under one id counts once.
///
/// ```
/// use reco_client::EventId;
///
/// let id = EventId::v7(0x0189_0a5d_ac96, 5);
/// assert_eq!(id.to_string(), "01890a5dac9670008000000000000005");
/// assert_eq!("01890a5d-ac96-7000-8000-000000000005".parse(), Ok(id));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(u128);

impl EventId {
    /// An id of this moment, in milliseconds since 1970, and of `random`.
    pub fn v7(millis: i64, random: u128) -> Self {
        let moment = (millis.max(0) as u128 & 0xffff_ffff_ffff) << 80;
        let bits = moment | random & ((1 << 80) - 1);
        Self(bits & !(0xf << 76) & !(0x3 << 62) | 7 << 76 | 0b10 << 62)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The text is no event id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event id `{0}` must be 32 hexadecimal digits (a UUID, hyphens allowed)")]
pub struct BadEventId(String);

impl FromStr for EventId {
    type Err = BadEventId;

    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let digits = text.replace('-', "");
        let valid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(&digits, 16) {
            Ok(bits) if valid => Ok(Self(bits)),
            _ => Err(BadEventId(text.to_owned())),
        }
    }
}

impl TryFrom<String> for EventId {
    type Error = BadEventId;

    fn try_from(text: String) -> Result<Self, BadEventId> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}
