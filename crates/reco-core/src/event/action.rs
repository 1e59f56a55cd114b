//! The kinds of events.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Kind of [`Event`](super::Event). In files and JSON it is the snake-case name; any other name is
/// [`Action::Custom`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
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
    /// Rated; the value is the rating.
    Rating,
    /// Thumb up.
    Like,
    /// Thumb down.
    Dislike,
    /// "Do not show me this again."
    Hide,
    /// Served by a variant of an experiment, which is what the event's item names.
    Exposure,
    /// Said to be interested in the category that the item stands for, as newcomers are asked; says nothing of the item.
    Interest,
    /// Anything else, by name.
    Custom(Arc<str>),
}

impl Action {
    const NAMED: [(Self, &'static str); 11] = [
        (Self::Impression, "impression"),
        (Self::View, "view"),
        (Self::Click, "click"),
        (Self::AddToCart, "add_to_cart"),
        (Self::Purchase, "purchase"),
        (Self::Rating, "rating"),
        (Self::Like, "like"),
        (Self::Dislike, "dislike"),
        (Self::Hide, "hide"),
        (Self::Exposure, "exposure"),
        (Self::Interest, "interest"),
    ];

    /// The name in files and JSON.
    pub fn name(&self) -> &str {
        match self {
            Self::Custom(name) => name,
            known => Self::NAMED.iter().find(|(action, _)| action == known).map_or("", |(_, name)| name),
        }
    }

    /// Whether it says "not this one".
    pub fn is_rejection(&self) -> bool {
        matches!(self, Self::Dislike | Self::Hide)
    }

    /// Whether the user now has the item: what seen-policies look at.
    pub fn is_consumption(&self) -> bool {
        matches!(self, Self::Purchase | Self::Rating)
    }
}

impl From<&str> for Action {
    /// Names vary between systems, so case, hyphens and spaces do not matter: "Add-to-cart".
    fn from(name: &str) -> Self {
        let name = &*name.trim().to_lowercase().replace(['-', ' '], "_");
        let known = Self::NAMED.iter().find(|(_, known)| *known == name);
        known.map_or_else(|| Self::Custom(name.into()), |(action, _)| action.clone())
    }
}

impl From<String> for Action {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl From<Action> for String {
    fn from(action: Action) -> Self {
        action.name().to_owned()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_keep_their_names() {
        for name in ["impression", "add_to_cart", "hide", "wishlisted"] {
            assert_eq!(Action::from(name).name(), name);
        }
    }
}
