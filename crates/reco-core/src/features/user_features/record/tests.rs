//! Exactly once, whatever a log does; and bytes that are what was written or are refused.

use super::*;
use crate::event::{Action, EventId};
use crate::id::ItemKey;
use crate::live::Live;
use crate::time::Timestamp;
use proptest::prelude::*;

/// Events of one user with their places; some of them are part of no history.
fn kept(n: usize) -> impl Strategy<Value = Vec<(Place, Event)>> {
    let actions = [Action::View, Action::Purchase, Action::Hide, Action::Impression, "tasted".into()];
    let action = prop::sample::select(actions.to_vec());
    let item = prop::sample::select(vec!["tea", "jam", "käse", ""]);
    let row = (1..50u64, item, action, prop::option::of(-1.0f32..4.0), 0..3_000_000i64);
    prop::collection::vec(row, 1..n).prop_map(|rows| {
        let mut offset = 0;
        let event =
            |(id, (gap, item, action, value, secs)): (u128, (u64, &str, Action, Option<f32>, i64))| {
                offset += gap;
                let at = Timestamp::from_secs(secs);
                let (id, user) = (EventId(id << 60), "ann".into());
                let event = Event { id, user, item: item.into(), action, value, at, details: None };
                (Place { partition: 3, offset }, event)
            };
        (0..).zip(rows).map(event).collect()
    })
}

fn category(item: &ItemKey) -> Option<&'static str> {
    ["tea", "jam"].into_iter().find(|name| *name == item.as_str())
}

fn take<'a>(record: &mut UserRecord, kept: impl IntoIterator<Item = &'a (Place, Event)>) -> usize {
    let rules = FeatureRules::default();
    let changed =
        |(place, event): &&(Place, Event)| record.take(*place, event, category(&event.item), &rules);
    kept.into_iter().filter(changed).count()
}

fn of<'a>(kept: impl IntoIterator<Item = &'a (Place, Event)>) -> UserRecord {
    let mut record = UserRecord::default();
    take(&mut record, kept);
    record
}

fn bytes(record: &UserRecord) -> (Vec<u8>, Vec<u8>) {
    (record.features().encode(), record.taken().encode())
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_changes_a_byte(
        (kept, order) in kept(250).prop_flat_map(|kept| {
            let order = Just((0..kept.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(kept), order)
        }),
        repeated in prop::collection::vec(any::<prop::sample::Index>(), 0..50),
    ) {
        let expected = bytes(&of(&kept));
        let mut shuffled = of(order.iter().map(|&row| &kept[row]));
        prop_assert_eq!(&bytes(&shuffled), &expected);
        prop_assert_eq!(take(&mut shuffled, repeated.iter().map(|row| row.get(&kept))), 0);
        prop_assert_eq!(&bytes(&shuffled), &expected);
    }

    #[test]
    fn a_replay_of_any_suffix_changes_nothing(kept in kept(700), from in any::<prop::sample::Index>()) {
        let mut record = of(&kept);
        let expected = record.clone();
        prop_assert_eq!(take(&mut record, &kept[from.index(kept.len())..]), 0);
        prop_assert_eq!(record, expected);
    }

    #[test]
    fn it_is_what_the_live_layer_holds(kept in kept(250)) {
        let live = Live::default();
        live.apply_kept(kept.iter().map(|(place, event)| (*place, event)), category, |_| false);
        let expected = live.features_of(&"ann".into()).unwrap_or_default();
        let record = of(&kept);
        prop_assert_eq!(&*expected, record.features());
    }

    #[test]
    fn what_is_stored_is_read_again(kept in kept(400)) {
        let record = of(&kept);
        let (features, taken) = bytes(&record);
        prop_assert_eq!(UserRecord::decode(&features, &taken), Ok(record));
    }

    #[test]
    fn damage_is_found(kept in kept(40), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (features, taken) = bytes(&of(&kept));
        for (stored, read) in [(features, reads_features as fn(&[u8]) -> bool), (taken, reads_taken)] {
            let place = at.index(stored.len());
            prop_assert!(!read(&stored[..place]));
            let mut damaged = stored.clone();
            damaged[place] ^= 1 << bit;
            prop_assert!(!read(&damaged), "byte {} of {}", place, stored.len());
        }
    }

    #[test]
    fn nonsense_under_a_good_checksum_does_no_harm(
        nonsense in prop::collection::vec(any::<u8>(), 0..200),
        kept in kept(20),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let (features, taken) = bytes(&of(&kept));
        let damaged = |stored: &[u8]| {
            let mut body = stored[5..].to_vec();
            damage.iter().for_each(|(at, byte)| if !body.is_empty() { *at.get_mut(&mut body) = *byte });
            sealed(&body)
        };
        let nonsense = sealed(&nonsense);
        for (features, taken) in [(damaged(&features), damaged(&taken)), (nonsense.clone(), nonsense)] {
            let features = UserFeatures::decode(&features).unwrap_or_default();
            let taken = TakenEvents::decode(&taken).unwrap_or_default();
            let mut record = UserRecord { features, taken };
            take(&mut record, &kept);
            let now = Timestamp::from_secs(3_000_000);
            let (document, again) = (record.features().document(now, 5), bytes(&record));
            prop_assert!(serde_json::to_string(&document).is_ok() && !again.0.is_empty());
        }
    }
}

fn reads_features(bytes: &[u8]) -> bool {
    UserFeatures::decode(bytes).is_ok()
}

fn reads_taken(bytes: &[u8]) -> bool {
    TakenEvents::decode(bytes).is_ok()
}

fn sealed(body: &[u8]) -> Vec<u8> {
    [&[1], &crc32fast::hash(body).to_le_bytes()[..], body].concat()
}

fn event(id: u128, secs: i64) -> Event {
    let at = Timestamp::from_secs(secs);
    let (id, user, item) = (EventId(id), "ann".into(), "tea".into());
    Event { id, user, item, action: Action::View, value: None, at, details: None }
}

fn at(offset: u64) -> Place {
    Place { partition: 0, offset }
}

#[test]
fn an_event_kept_twice_counts_once_while_its_id_is_known() {
    let (mut record, rules) =
        (UserRecord::default(), FeatureRules { most_recent: 1, ..FeatureRules::default() });
    for offset in 0..200 {
        assert!(record.take(at(offset), &event(offset.into(), offset as i64), None, &rules));
    }
    assert!(record.take(at(1_000), &event(7, 7), None, &rules), "its place is kept in mind");
    assert!(!record.take(at(1_000), &event(7, 7), None, &rules));
    assert_eq!((record.features().interactions(), record.features().recent().len()), (200, 1));
}

#[test]
fn what_comes_much_too_late_counts_as_known() {
    let mut record = UserRecord::default();
    let rules = FeatureRules::default();
    for offset in (0..2_000).filter(|offset| offset % 2 == 1) {
        record.take(at(offset), &event(offset.into(), 0), None, &rules);
    }
    let behind = 2_000 - 2 * TakenEvents::KEPT as u64;
    for (offset, is_new) in [(0, false), (behind - 2, false), (behind, true), (1_998, true)] {
        let mut record = record.clone();
        assert_eq!(record.take(at(offset), &event(1 << 80, 0), None, &rules), is_new, "{offset}");
    }
    let other = Place { partition: 1, offset: 0 };
    assert!(record.take(other, &event(1 << 80, 0), None, &rules), "partitions are apart");
}

#[test]
fn a_later_format_is_named() {
    let mut stored = UserFeatures::default().encode();
    stored[0] = 9;
    assert_eq!(UserFeatures::decode(&stored), Err(StoredError::Newer(9)));
    assert!(StoredError::Newer(9).to_string().contains("format 9"));
}

#[test]
fn the_last_offset_there_is_makes_no_trouble() {
    let rules = FeatureRules::default();
    let mut record = UserRecord::default();
    assert!(record.take(at(u64::MAX), &event(1, 0), None, &rules));
    let (features, taken) = bytes(&record);
    assert_eq!(UserRecord::decode(&features, &taken), Ok(record));
}
