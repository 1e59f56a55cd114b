//! Names of events: what tells that one arrived before.

use super::{Details, Event};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// 128 bits, unique per event; shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(pub u128);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

/// The text is no event id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event id `{0}` must be 32 hexadecimal digits (a UUID, hyphens allowed)")]
pub struct BadEventId(String);

impl TryFrom<String> for EventId {
    type Error = BadEventId;

    fn try_from(text: String) -> Result<Self, BadEventId> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let valid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(&digits, 16) {
            Ok(number) if valid => Ok(Self(number)),
            _ => Err(BadEventId(text)),
        }
    }
}

impl EventId {
    /// An id by the layout of UUID version 7 (RFC 9562): the time first, then `random`.
    pub fn v7(at: Timestamp, random: u128) -> Self {
        let millis = at.millis().max(0) as u128 & 0xffff_ffff_ffff;
        Self::marked(millis << 80 | random & ((1 << 80) - 1), 7)
    }

    /// The id of an event that came without one, made of what it says: sent twice, it counts once. The 128-bit FNV-1a
    /// hash of its fields, as a UUID of version 8 (RFC 9562), so that it is the same on every machine.
    pub(super) fn derived(event: &Event) -> Self {
        let mut hash = Fnv128::default();
        let Event { user, item, action, value, at, details, .. } = event;
        [user.as_str(), item.as_str(), action.name()].iter().for_each(|text| hash.text(text));
        hash.bytes(&at.millis().to_le_bytes());
        hash.bytes(&value.map_or(u32::MAX, f32::to_bits).to_le_bytes());
        let none = Details::default();
        let Details { session, request, position, .. } = details.as_deref().unwrap_or(&none);
        [session, request].iter().for_each(|text| hash.text(text.as_deref().unwrap_or_default()));
        hash.bytes(&position.unwrap_or(0).to_le_bytes());
        Self::marked(hash.0, 8)
    }

    /// The id of what `texts` name, whoever says so and whenever: a UUID of version 8 as [`derived`](Self::derived) ones.
    pub(crate) fn named(texts: &[&str]) -> Self {
        let mut hash = Fnv128::default();
        texts.iter().for_each(|text| hash.text(text));
        Self::marked(hash.0, 8)
    }

    /// With the bits that a UUID of this version has set.
    fn marked(bits: u128, version: u128) -> Self {
        Self(bits & !(0xf << 76) & !(0x3 << 62) | version << 76 | 0b10 << 62)
    }
}

/// 32 hexadecimal digits that tell bytes from others: for finding what is the same, not against those who forge.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    let mut hash = Fnv128::default();
    hash.bytes(bytes);
    format!("{:032x}", hash.0)
}

/// Fowler, Noll, Vo: simple enough for a client in any language to come to the same id.
struct Fnv128(u128);

impl Default for Fnv128 {
    fn default() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Fnv128 {
    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
    }

    /// A byte that no text has ends it, so that neighbours do not run together.
    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0xff]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Action;

    #[test]
    fn event_ids_read_uuids() {
        let id = EventId::try_from("01890a5d-ac96-774b-bcce-b302099a8057".to_owned()).unwrap();
        assert_eq!(id.to_string(), "01890a5dac96774bbcceb302099a8057");
        assert!(EventId::try_from("+1890a5dac96774bbcceb302099a8057".to_owned()).is_err());
    }

    #[test]
    fn ids_are_uuids_of_their_version() {
        let id = EventId::v7(Timestamp::from_millis(0x0189_0a5d_ac96), u128::MAX).to_string();
        assert_eq!(id, "01890a5dac967fffbfffffffffffffff");
        assert!(EventId::v7(Timestamp::from_millis(1), 0) < EventId::v7(Timestamp::from_millis(2), 0));
    }

    #[test]
    fn a_derived_id_is_that_of_what_is_said() {
        let event = Event {
            id: EventId(0),
            user: "ann".into(),
            item: "tea".into(),
            action: Action::Click,
            value: None,
            at: Timestamp::from_millis(1_700_000_000_000),
            details: None,
        };
        // The same on every machine and in every release: retries may reach another one.
        assert_eq!(EventId::derived(&event).to_string(), "d50cfe2ac3018b77b690df56677c1c7d");
        let at = |position| Some(Box::new(Details { position: Some(position), ..Details::default() }));
        let others = [
            Event { user: "an".into(), item: "ntea".into(), ..event.clone() },
            Event { value: Some(0.0), ..event.clone() },
            Event { at: Timestamp::from_millis(1_700_000_000_001), ..event.clone() },
            Event { details: at(1), ..event.clone() },
            Event { details: at(2), ..event.clone() },
        ];
        let ids: std::collections::BTreeSet<EventId> =
            others.iter().chain([&event]).map(EventId::derived).collect();
        assert_eq!(ids.len(), 6, "{ids:?}");
    }
}
