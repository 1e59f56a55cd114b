//! User features as bytes, for stores on other machines.
//!
//! A byte that names the format, the CRC-32 of what follows, and that in the postcard format. The same features give the
//! same bytes.

use super::{Days, RecentEvent, Tally, UserFeatures};
use crate::event::{Action, EventId};
use crate::id::ItemKey;
use crate::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

const FORMAT: u8 = 1;

/// Bytes that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// A later version wrote it.
    #[error("is of format {0}, known is {FORMAT}: a later version wrote it")]
    Newer(u8),
    /// Something else wrote it, or something happened to it.
    #[error("is damaged: {0}")]
    Damaged(&'static str),
}

/// Counts beyond this are no counts: other languages could not read them from JSON, either.
const MOST: u64 = 1 << 53;

#[derive(Serialize, Deserialize)]
struct StoredFeatures {
    /// What numbers of actions stand for.
    names: Vec<Action>,
    recent: Vec<StoredEvent>,
    actions: Vec<(u32, Tally)>,
    categories: Vec<(Arc<str>, u64)>,
    days: Vec<(i32, u32, u32, i64)>,
}

#[derive(Serialize, Deserialize)]
struct StoredEvent {
    id: [u8; 16],
    offset: u64,
    item: ItemKey,
    action: u32,
    value: Option<f32>,
    at: Timestamp,
}

impl UserFeatures {
    /// All of it as bytes, which [`decode`](Self::decode) reads.
    pub fn encode(&self) -> Vec<u8> {
        let of_recent = self.recent.iter().map(|event| &event.action);
        let of_all = self.actions.iter().map(|(action, _)| action);
        let names: BTreeSet<&Action> = of_recent.chain(of_all).collect();
        let names: Vec<Action> = names.into_iter().cloned().collect();
        let number = |action: &Action| names.binary_search(action).map_or(u32::MAX, |place| place as u32);
        let event = |event: &RecentEvent| StoredEvent {
            id: event.id.0.to_le_bytes(),
            offset: event.offset,
            item: event.item.clone(),
            action: number(&event.action),
            value: event.value,
            at: event.at,
        };
        let stored = StoredFeatures {
            recent: self.recent.iter().map(event).collect(),
            actions: self.actions.iter().map(|(action, tally)| (number(action), *tally)).collect(),
            categories: self.categories.clone(),
            days: self.days.rows().collect(),
            names,
        };
        seal(&stored)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// When it is anything else. The log has what is needed to make it again.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let StoredFeatures { names, recent, actions, categories, days } = open(bytes)?;
        let action = |number: u32| {
            names.get(number as usize).cloned().ok_or(StoredError::Damaged("an action has no name"))
        };
        let event = |event: StoredEvent| {
            Ok(RecentEvent {
                id: EventId(u128::from_le_bytes(event.id)),
                offset: event.offset,
                item: event.item,
                action: action(event.action)?,
                value: event.value,
                at: event.at,
            })
        };
        let tally = |(number, tally): (u32, Tally)| Ok((action(number)?, tally));
        let in_order = days.is_sorted_by(|a, b| a.0 < b.0);
        let features = Self {
            recent: recent.into_iter().map(event).collect::<Result<_, StoredError>>()?,
            actions: actions.into_iter().map(tally).collect::<Result<_, StoredError>>()?,
            categories,
            days: Days::from_iter(days),
        };
        if in_order && features.is_sound() {
            Ok(features)
        } else {
            Err(StoredError::Damaged("it is out of order"))
        }
    }

    /// Whether it is as adding events leaves it, which adding relies on.
    fn is_sound(&self) -> bool {
        self.recent.is_sorted_by_key(|event| (event.at, event.offset))
            && self.actions.is_sorted_by(|a, b| a.0 < b.0)
            && self.categories.is_sorted_by(|a, b| a.0 < b.0)
            && self.actions.iter().all(|(_, tally)| tally.count <= MOST)
            && self.categories.iter().all(|(_, count)| *count <= MOST)
    }
}

/// Bytes of a value that can be told from damaged ones.
pub(super) fn seal(value: &impl Serialize) -> Vec<u8> {
    let head = vec![FORMAT, 0, 0, 0, 0];
    let mut bytes = postcard::to_extend(value, head).expect("memory takes all that is written");
    let sum = crc32fast::hash(&bytes[5..]);
    bytes[1..5].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The value that was sealed.
pub(super) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoredError> {
    let (&format, rest) = bytes.split_first().ok_or(StoredError::Damaged("it is empty"))?;
    if format > FORMAT {
        return Err(StoredError::Newer(format));
    }
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or(StoredError::Damaged("it ends too early"))?;
    if format != FORMAT || crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
        return Err(StoredError::Damaged("its checksum differs"));
    }
    match postcard::take_from_bytes(rest) {
        Ok((value, [])) => Ok(value),
        _ => Err(StoredError::Damaged("it is nothing of this kind")),
    }
}
