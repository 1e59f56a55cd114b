//! What a user did: the events that flow in.

mod action;
mod details;
mod id;
mod json;
mod rules;
mod weights;

pub use action::Action;
pub use details::Details;
pub(crate) use id::fingerprint;
pub use id::{BadEventId, EventId};
pub use json::{Arrival, Draft, SCHEMA};
pub use rules::{FieldProblem, LONGEST_KEY, LONGEST_NAME};
pub use weights::{ActionWeights, Verdict};

use crate::id::{ItemKey, UserKey};
use crate::time::Timestamp;

/// Something a user did with an item. As JSON it has the fields of [`SCHEMA`].
///
/// ```
/// use reco_core::event::Event;
///
/// let json = r#"{"id":"01890a5dac96774bbcceb302099a8057","user_id":"ann","item_id":"tea","action":"click",
///                "timestamp":1700000000000,"position":3,"colour":"red"}"#;
/// let click: Event = serde_json::from_str(json)?;
/// let details = click.details.as_deref().expect("there are some");
/// assert_eq!((details.position, &details.other["colour"]), (Some(3), &"red".into()));
/// assert_eq!(serde_json::from_str::<Event>(&serde_json::to_string(&click)?)?, click);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Unique; the key for de-duplication.
    pub id: EventId,
    /// Who; of a visitor without a name, [the session's](UserKey::of_session).
    pub user: UserKey,
    /// On what; the catalogue may not know it yet.
    pub item: ItemKey,
    /// What.
    pub action: Action,
    /// Rating, quantity or amount, as the action means it.
    pub value: Option<f32>,
    /// When.
    pub at: Timestamp,
    /// What else is known, if anything is.
    pub details: Option<Box<Details>>,
}
