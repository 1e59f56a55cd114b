//! Whose the places of a page are, and who is on them.

use super::*;
use crate::fixture::{candidates, query};
use crate::id::UserKey;
use crate::launch::{Counted, Counts, ExposureBudget, LaunchConfig, Showing};
use crate::request::Request;
use proptest::prelude::*;
use std::sync::Arc;

fn drawn(slots: SlotConfig, count: usize) -> String {
    let letter = |slot| match slot {
        Slot::Personal => 'p',
        Slot::New => 'n',
        Slot::Trending => 't',
    };
    slots.layout(count).into_iter().map(letter).collect()
}

#[test]
fn a_page_of_ten_is_eight_and_one_and_one() {
    let check = |(of, new, trending), count, expected: &str| {
        assert_eq!(drawn(SlotConfig { of, new, trending }, count), expected);
    };
    check((10, 1, 1), 10, "ppppppppnt");
    check((10, 1, 1), 20, "ppppppppntppppppppnt");
    check((10, 1, 1), 15, "ppppppppntppppn");
    check((10, 1, 1), 5, "ppppn");
    check((10, 1, 1), 2, "pp");
    check((10, 1, 0), 10, "pppppppppn");
    check((10, 1, 0), 4, "pppp");
    check((4, 0, 1), 8, "ppptpppt");
    check((3, 0, 0), 4, "pppp");
    check((1, 1, 0), 2, "nn");
}

#[test]
fn more_slots_than_places_are_named() {
    assert_eq!(SlotConfig::default().problems(), [""; 0]);
    let problems = SlotConfig { of: 0, new: 1, trending: 2 }.problems();
    assert_eq!(
        problems,
        ["of is 0, must be at least 1", "new and trending are 1 and 2, must be at most of (0) together"]
    );
}

/// What items 20 to 24 become of a list that they are the last of, where they are new.
fn after(
    user: &str,
    config: &LaunchConfig,
    budget: &Arc<dyn ExposureBudget>,
    slots: SlotConfig,
    want: usize,
) -> Vec<u32> {
    let mut query = query(Request::for_user(user));
    query.showing = Showing::new(Arc::new(config.clone()), Arc::clone(budget));
    (20..25).for_each(|item| query.live.introduce(&format!("item{item}").as_str().into()));
    let mut set = candidates((0..20).chain(20..25));
    Slots(slots).rerank(&query, &mut set, want).unwrap();
    let shown: Vec<ItemKey> =
        set.ids().iter().take(want).map(|id| query.snapshot.catalog.key(*id).clone()).collect();
    query.showing.spend(&shown);
    set.ids().iter().map(|id| id.raw()).collect()
}

fn counted() -> Arc<dyn ExposureBudget> {
    Arc::new(Counted::default())
}

#[test]
fn an_item_on_trial_is_on_the_pages_of_those_who_are_shown_it_and_on_no_others() {
    let config = LaunchConfig { budget: None, ..LaunchConfig::default() };
    let (mut n_shown, budget) = (0, counted());
    for user in 0..1_000 {
        let user = format!("user{user}");
        let order = after(&user, &config, &budget, SlotConfig::default(), 10);
        let is_for_them = |item: u32| {
            launch::place(&UserKey::from(&*user), &format!("item{item}").as_str().into()) < config.share
        };
        let expected: Vec<u32> = (20..25).filter(|item| is_for_them(*item)).collect();
        let new: Vec<u32> = order.iter().copied().filter(|item| *item >= 20).collect();
        assert_eq!(new.len(), expected.len().min(1), "{user}");
        assert!(new.iter().all(|item| expected.contains(item) && order[9] == *item), "{user}: {order:?}");
        assert_eq!(order.iter().filter(|item| **item < 20).count(), 20, "nothing else leaves");
        n_shown += new.len();
    }
    assert!((170..280).contains(&n_shown), "a fifth to a quarter of all users see one of five: {n_shown}");
}

#[test]
fn nothing_is_shown_more_often_than_it_may_be() {
    let config = LaunchConfig {
        share: 1.0,
        promoted_share: 1.0,
        impressions: 1,
        budget: Some(7),
        ..LaunchConfig::default()
    };
    let budget = counted();
    let mut shown = [0; 5];
    for _ in 0..100 {
        let order = after("ann", &config, &budget, SlotConfig::default(), 10);
        order.iter().filter(|item| **item >= 20).for_each(|item| shown[*item as usize - 20] += 1);
    }
    assert_eq!(shown, [7; 5]);
}

#[test]
fn what_is_promoted_or_retired_stands_on_its_own_merits_too() {
    let query = query(Request::for_user("ann"));
    query.live.introduce(&"item4".into());
    let stage = query.showing.stage(Counts { impressions: 2_000, clicks: 0 });
    assert_eq!(stage, Stage::Retired);
    let at = crate::fixture::day(100);
    let shown = (0..1_000).map(|id| crate::event::Event {
        id: crate::event::EventId(id),
        user: "bob".into(),
        item: "item4".into(),
        action: crate::event::Action::Impression,
        value: None,
        at,
        details: None,
    });
    let shown: Vec<_> = shown.collect();
    let kept = (0..).zip(&shown).map(|(offset, event)| (crate::store::Place { partition: 0, offset }, event));
    query.live.apply_kept(kept, |_| None, |_| false);
    let mut set = candidates([1, 4, 2]);
    Slots::default().rerank(&query, &mut set, 3).unwrap();
    assert_eq!(set.ids(), [1, 4, 2].map(ItemId::new));
}

proptest! {
    #[test]
    fn every_place_is_filled_whatever_the_pattern(
        (of, kept) in (1usize..12).prop_flat_map(|of| (Just(of), 0..=of)),
        new in 0usize..12,
        want in 0usize..30,
    ) {
        let new = new.min(kept);
        let slots = SlotConfig { of, new, trending: kept - new };
        prop_assert_eq!(slots.problems(), [""; 0]);
        let layout = slots.layout(want);
        prop_assert_eq!(layout.len(), want);
        let n_kept = layout.iter().filter(|slot| **slot != Slot::Personal).count();
        prop_assert!((n_kept as f64 - (want * kept) as f64 / of as f64).abs() <= 0.5 + 1e-9);
        let config = LaunchConfig { share: 1.0, promoted_share: 1.0, ..LaunchConfig::default() };
        let order = after("ann", &config, &counted(), slots, want);
        prop_assert!(order.len() >= want.min(20));
        let mut distinct = order.clone();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), order.len());
    }
}
