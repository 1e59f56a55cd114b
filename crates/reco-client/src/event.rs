//! What a user did, as it is written for the server.

use crate::id::EventId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Something a user did with an item.
///
/// Its JSON is that of `docs/http.md` and of `GET /interactions/schema`. What is left out here is left to the client
/// (id and time) or unknown.
///
/// ```
/// use reco_client::{Action, Event, Who};
///
/// let click = Event::new(Who::user("ann"), Action::Click, "tea").shown("page-7", 3).context("device", "phone");
/// assert_eq!(
///     serde_json::to_value(click)?,
///     serde_json::json!({"user_id": "ann", "item_id": "tea", "action": "click", "request_id": "page-7",
///                        "position": 3, "context": {"device": "phone"}}),
/// );
/// let stars = Event::new(Who::session("s-1"), Action::Rating(4.5), "tea");
/// assert_eq!(
///     serde_json::to_value(stars)?,
///     serde_json::json!({"session_id": "s-1", "item_id": "tea", "action": "rating", "value": 4.5}),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<EventId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    item_id: String,
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    propensity: Option<f64>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    context: Map<String, Value>,
}

/// Whose event it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user, by name.
    User(String),
    /// A visitor without a name, by session.
    Session(String),
}

impl Who {
    /// A user, by name.
    pub fn user(user: impl Into<String>) -> Self {
        Self::User(user.into())
    }

    /// A visitor without a name, by session.
    pub fn session(session: impl Into<String>) -> Self {
        Self::Session(session.into())
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Shown to the user.
    Impression,
    /// Detail page opened.
    View,
    /// Clicked in a list.
    Click,
    /// Put in the cart.
    AddToCart,
    /// Bought, booked, played to the end.
    Purchase,
    /// Rated, and how.
    Rating(f64),
    /// Thumb up.
    Like,
    /// Thumb down.
    Dislike,
    /// "Do not show me this again."
    Hide,
    /// Anything else, by name; it counts if the server has a weight for it.
    Custom(String),
}

impl Action {
    /// The name in JSON.
    pub fn name(&self) -> &str {
        match self {
            Self::Impression => "impression",
            Self::View => "view",
            Self::Click => "click",
            Self::AddToCart => "add_to_cart",
            Self::Purchase => "purchase",
            Self::Rating(_) => "rating",
            Self::Like => "like",
            Self::Dislike => "dislike",
            Self::Hide => "hide",
            Self::Custom(name) => name,
        }
    }
}

impl Event {
    /// `who` did `action` with `item`.
    pub fn new(who: Who, action: Action, item: impl Into<String>) -> Self {
        let (user_id, session_id) = match who {
            Who::User(user) => (Some(user), None),
            Who::Session(session) => (None, Some(session)),
        };
        let value = if let Action::Rating(stars) = action { Some(stars) } else { None };
        Self {
            id: None,
            user_id,
            session_id,
            item_id: item.into(),
            action: action.name().to_owned(),
            value,
            timestamp: None,
            request_id: None,
            position: None,
            propensity: None,
            context: Map::new(),
        }
    }

    /// Under this id; without one the client makes one when it takes the event.
    #[must_use]
    pub fn id(mut self, id: EventId) -> Self {
        self.id = Some(id);
        self
    }

    /// When it happened, in milliseconds since 1970; without it, when the client takes it.
    #[must_use]
    pub fn at_millis(mut self, millis: i64) -> Self {
        self.timestamp = Some(millis);
        self
    }

    /// The session it happened in.
    #[must_use]
    pub fn in_session(mut self, session: impl Into<String>) -> Self {
        self.session_id = Some(session.into());
        self
    }

    /// Rating, quantity or amount, as the action means it; below 0 it takes the action back.
    #[must_use]
    pub fn value(mut self, value: f64) -> Self {
        self.value = Some(value);
        self
    }

    /// The answer that showed the item, by its `request_id`, and the item's place there, from 1.
    #[must_use]
    pub fn shown(mut self, request: impl Into<String>, position: u32) -> Self {
        (self.request_id, self.position) = (Some(request.into()), Some(position));
        self
    }

    /// How probable it was that the item was shown there, above 0 to 1.
    #[must_use]
    pub fn propensity(mut self, share: f64) -> Self {
        self.propensity = Some(share);
        self
    }

    /// A circumstance, such as the device.
    #[must_use]
    pub fn context(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.insert(name.into(), value.into());
        self
    }
}
