//! What may be known of an event beside who did what.

use serde_json::{Map, Value};
use std::sync::Arc;

/// What else is known of an [`Event`](super::Event).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The session it happened in.
    pub session: Option<Arc<str>>,
    /// The answer that showed the item, by its `request_id`.
    pub request: Option<Arc<str>>,
    /// The item's place on that page, from 1.
    pub position: Option<u32>,
    /// How probable it was that the item was shown there, above 0 to 1: what off-policy estimates divide by.
    pub propensity: Option<f32>,
    /// Circumstances as the client names them, such as `device`.
    pub context: Map<String, Value>,
    /// Fields that this version does not know, kept for one that does.
    pub other: Map<String, Value>,
}

impl Details {
    /// Most bytes that `context` and `other` may have together, as JSON.
    pub const MOST_BYTES: usize = 4_096;

    /// Boxed, if there is anything in them.
    pub(super) fn if_any(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}
