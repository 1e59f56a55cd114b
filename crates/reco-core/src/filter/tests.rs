//! What each filter drops.

use super::*;
use crate::conformance;
use crate::fixture::{candidates, query};
use crate::id::ItemId;
use crate::request::{Context, Request, Surface};

/// The items among all forty that a filter drops.
fn dropped(filter: &dyn Filter, request: Request) -> Vec<u32> {
    let (query, set) = (query(request), candidates(0..40));
    conformance::filter(filter, &query, &set);
    let mut keep = KeepMask::all(set.len());
    filter.apply(&query, &set, &mut keep).unwrap();
    (0..set.len()).filter(|&row| !keep.is_kept(row)).map(|row| set.ids()[row].raw()).collect()
}

fn ann() -> Request {
    Request::for_user("ann")
}

#[test]
fn every_filter_drops_what_it_says() {
    assert_eq!(dropped(&Availability, ann()), [9, 11, 19, 29, 39]);
    assert_eq!(dropped(&Rejected, ann()), [3]);
    assert_eq!(dropped(&Rejected, Request::for_user("bob")), [0u32; 0]);
    assert_eq!(dropped(&Excluded, ann().exclude(["item7", "nope"])), [7]);
    assert_eq!(dropped(&Requested, ann().filter("price < 39".parse().unwrap())), [38, 39]);
    assert_eq!(dropped(&Requested, ann()), [0u32; 0]);
    assert_eq!(dropped(&Only("category != \"category0\"".parse().unwrap()), ann())[..2], [0, 4]);
    assert_eq!(dropped(&OnSurface, ann().surface(Surface::Similar("item7".into()))), [7]);
    let in_category = dropped(&OnSurface, ann().surface(Surface::Category("category3".into())));
    assert!(in_category.len() == 30 && in_category.iter().all(|id| id % 4 != 3));
}

#[test]
fn seen_items_follow_the_policy() {
    assert_eq!(dropped(&Seen(SeenPolicy::Never), ann()), [0u32; 0]);
    assert_eq!(dropped(&Seen(SeenPolicy::WithinDays(10.0)), ann()), [2]);
    assert_eq!(dropped(&Seen(SeenPolicy::WithinDays(61.0)), ann()), [1, 2, 5]);
    assert_eq!(dropped(&Seen(SeenPolicy::Always), ann()), [1, 2, 5]);
    let in_session = Context { session_items: vec!["item8".into()], ..Context::default() };
    assert_eq!(dropped(&Seen(SeenPolicy::Never), ann().context(in_session.clone())), [0u32; 0]);
    assert_eq!(dropped(&Seen(SeenPolicy::WithinDays(1.0)), ann().context(in_session)), [8]);
    assert!(SeenPolicy::WithinDays(0.0).problem().is_some());
}

#[test]
fn a_filter_on_a_column_that_is_gone_is_a_fault() {
    let (query, set) = (query(ann()), candidates([ItemId::new(0).raw()]));
    let only = Only("colour = \"red\"".parse().unwrap());
    let fault = only.apply(&query, &set, &mut KeepMask::all(1)).unwrap_err();
    assert!(fault.message().contains("no column `colour`"), "{}", fault.message());
}
