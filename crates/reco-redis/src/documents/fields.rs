//! User features as plain fields of a hash, for people and for programs in other languages.

use reco_core::features::UserFeatures;
use reco_core::id::ItemKey;
use reco_core::time::Timestamp;
use redis::{Cmd, ToRedisArgs};

/// What the fields' names begin with. `demographic` is not among them: it belongs to whoever knows such things.
pub(super) const GROUPS: [&str; 6] = ["behavioural", "preference", "recency", "windows", "trend", "session"];

/// Names and lengths in days.
const WINDOWS: [(&str, u16); 3] = [("1d", 1), ("7d", 7), ("28d", 28)];

/// Items among `recency.last_items`.
const LAST_ITEMS: usize = 5;

/// Adds all fields and their values as they are at `now`.
pub(super) fn add(features: &UserFeatures, now: Timestamp, command: &mut Cmd) {
    let mut set = |name: &str, value: &dyn ToArgument| value.add(command.arg(name));
    set("behavioural.interactions", &features.interactions());
    for (action, tally) in features.actions() {
        set(&format!("behavioural.actions.{action}"), &tally.count);
        set(&format!("recency.actions.{action}"), &tally.last.millis());
    }
    for (category, count) in features.categories() {
        set(&format!("preference.categories.{category}"), count);
    }
    if let Some(last) = features.recent().last() {
        set("recency.last_at", &last.at.millis());
        set("recency.last_action", &last.action.name());
        set("recency.last_items", &json(&last_items(features)));
    }
    for (name, days) in WINDOWS {
        let window = features.window(days, now);
        set(&format!("windows.{name}.events"), &window.events);
        if let Some(mean) = window.mean_value {
            set(&format!("windows.{name}.mean_value"), &mean);
        }
    }
    if let Some(trend) = features.trend(now) {
        set("trend", &trend);
    }
    if let Some(session) = features.session(now) {
        set("session.started", &session.started.millis());
        set("session.last", &session.last.millis());
        set("session.events", &session.events);
        set("session.items", &json(&session.items));
    }
}

/// Each once, newest first.
fn last_items(features: &UserFeatures) -> Vec<ItemKey> {
    let mut items: Vec<ItemKey> = Vec::new();
    for event in features.recent().iter().rev() {
        if items.len() == LAST_ITEMS {
            break;
        }
        if !items.contains(&event.item) {
            items.push(event.item.clone());
        }
    }
    items
}

fn json(items: &[ItemKey]) -> String {
    serde_json::to_string(items).expect("texts can be written as JSON")
}

/// A value of a field, of whatever type.
trait ToArgument {
    fn add(&self, command: &mut Cmd);
}

impl<T: ToRedisArgs> ToArgument for T {
    fn add(&self, command: &mut Cmd) {
        command.arg(self);
    }
}
