//! What the client writes is what the server reads.

use crate::world::NOW;
use proptest::prelude::*;
use reco_client::{Action, Event, EventId, Who};
use reco_core::event::{Arrival, Draft};
use reco_core::time::Timestamp;
use serde_json::{Value, json};

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        prop::sample::select(vec![
            Action::Impression,
            Action::View,
            Action::Click,
            Action::AddToCart,
            Action::Purchase,
            Action::Like,
            Action::Dislike,
            Action::Hide,
        ]),
        (-5.0..5.0).prop_map(Action::Rating),
        "[a-z]{1,9}".prop_map(|name| Action::Custom(format!("own_{name}"))),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![".{1,20}".prop_map(Who::User), ".{1,20}".prop_map(Who::Session)]
}

proptest! {
    #[test]
    fn an_event_is_read_as_it_was_meant(
        (who, action, item) in (who(), action(), ".{1,20}"),
        (random, at) in (any::<u128>(), 0..NOW),
        shown in prop::option::of((".{1,20}", 1u32..)),
        share in prop::option::of(0.001..1.0),
        device in prop::option::of(".{0,9}"),
    ) {
        let id = EventId::v7(at, random);
        let mut event = Event::new(who.clone(), action.clone(), item.clone()).id(id).at_millis(at);
        if let Some((page, place)) = &shown {
            event = event.shown(page, *place);
        }
        if let Some(share) = share {
            event = event.propensity(share);
        }
        if let Some(device) = &device {
            event = event.context("device", device.clone());
        }
        let written = serde_json::to_value(&event).unwrap();
        prop_assert_eq!(&serde_json::from_value::<Event>(written.clone()).unwrap(), &event, "it comes back");

        let arrival = Arrival::at(Timestamp::from_millis(NOW));
        let draft = Draft::read(&written, arrival).map_err(|wrong| TestCaseError::fail(format!("{wrong:?}")))?;
        prop_assert_eq!(draft.unknown_fields().count(), 0);
        let read = draft.complete(arrival, || unreachable!("it has an id"));
        let user = match who {
            Who::User(user) => user,
            Who::Session(session) => format!("session:{session}"),
        };
        prop_assert_eq!((read.user.as_str(), read.item.as_str(), read.action.name()), (&*user, &*item, action.name()));
        prop_assert_eq!((read.id.to_string(), read.at.millis()), (id.to_string(), at));
        let details = read.details.unwrap_or_default();
        let place = details.request.as_deref().zip(details.position);
        prop_assert_eq!(place, shown.as_ref().map(|(page, place)| (page.as_str(), *place)));
        prop_assert_eq!(details.context.get("device").and_then(Value::as_str), device.as_deref());
        prop_assert_eq!(details.propensity, share.map(|share| share as f32));
    }

    #[test]
    fn ids_are_those_of_the_engine(millis in 0i64..1 << 48, random: u128) {
        let theirs = reco_core::event::EventId::v7(Timestamp::from_millis(millis), random);
        prop_assert_eq!(EventId::v7(millis, random).to_string(), theirs.to_string());
    }
}

#[test]
fn every_action_has_the_name_that_the_engine_knows() {
    use reco_core::event::Action as Engines;
    for action in [Action::Impression, Action::View, Action::Click, Action::AddToCart, Action::Purchase]
        .into_iter()
        .chain([Action::Rating(1.0), Action::Like, Action::Dislike, Action::Hide])
    {
        let known = Engines::from(action.name());
        assert!(!matches!(known, Engines::Custom(_)) && known.name() == action.name(), "{action:?}");
    }
}

#[test]
fn values_and_sessions_are_written() {
    let back = Event::new(Who::user("ann"), Action::Purchase, "tea").value(-2.0).in_session("s-1");
    let json =
        json!({"user_id": "ann", "session_id": "s-1", "item_id": "tea", "action": "purchase", "value": -2.0});
    assert_eq!(serde_json::to_value(back).unwrap(), json);
}
