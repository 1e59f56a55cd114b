//! What is left out, and only that.

use super::*;
use proptest::prelude::*;
use reco_core::catalog::Catalog;
use reco_core::id::{ItemId, UserKey};

/// Events as (user, action, value, seconds).
fn dataset(events: &[(&str, &str, f32, i64)]) -> Dataset {
    let mut catalog = Catalog::builder();
    catalog.intern("tea").unwrap();
    let mut log = InteractionLog::default();
    for &(user, action, value, secs) in events {
        let user = log.users.intern(user);
        log.push(user, ItemId::new(0), &action.into(), Some(value), Timestamp::from_secs(secs));
    }
    let users = vec![BTreeMap::new(); log.users.len()];
    Dataset { catalog: catalog.build(), log, users, ..Dataset::default() }
}

fn users(dataset: &Dataset) -> Vec<&str> {
    dataset.log.users.keys().iter().map(UserKey::as_str).collect()
}

fn check(events: &[(&str, &str, f32, i64)], params: &CleanParams, expected: Cleaned, left: &[&str]) {
    let (dataset, cleaned) = clean(dataset(events), params).unwrap();
    assert_eq!(cleaned, Cleaned { read: events.len(), ..expected });
    assert_eq!((dataset.log.len(), users(&dataset)), (cleaned.kept, left.to_vec()));
    assert_eq!(dataset.users.len(), left.len());
}

fn counts(action: &str, n: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([(action.to_owned(), n)])
}

const DAY: i64 = 86_400;
const MINUTE: i64 = 60;

#[test]
fn a_range_has_its_first_moment_and_not_its_last() {
    let events: Vec<_> =
        (0..10).map(|day| (["ann", "bob"][usize::from(day > 4)], "view", 1.0, day * DAY)).collect();
    let day = |day| Some(Timestamp::from_secs(day * DAY));
    let of = |from, until, last_days| CleanParams { from, until, last_days, ..CleanParams::default() };
    let kept = |kept| Cleaned { kept, out_of_range: 10 - kept, ..Cleaned::default() };
    check(&events, &of(day(1), day(4), None), kept(3), &["ann"]);
    check(&events, &of(None, day(6), Some(2.0)), kept(2), &["ann", "bob"]);
    check(&events, &of(day(5), None, None), kept(5), &["bob"]);
    // The last two days up to and with the last event.
    check(&events, &of(None, None, Some(1.5)), kept(2), &["bob"]);
    check(&events, &of(day(9), None, Some(3.0)), kept(1), &["bob"]);
    let nothing = clean(dataset(&events), &of(day(50), None, None)).unwrap_err().to_string();
    assert!(nothing.contains("none of the 10 interactions is left"), "{nothing}");
    let timeless = clean(dataset(&[("ann", "view", 1.0, 0)]), &of(day(1), None, None)).unwrap_err();
    assert_eq!(timeless, CleanError::NoTimes);
}

#[test]
fn who_acts_too_fast_is_a_bot_wherever_the_minute_begins() {
    let params = CleanParams { bots_per_minute: 3, ..CleanParams::default() };
    let bot = |by_bots| Cleaned {
        bots: usize::from(by_bots > 0),
        by_bots,
        kept: 5 - by_bots,
        ..Cleaned::default()
    };
    let at = |user, action, secs: [i64; 4]| {
        let mut events = vec![("ann", "view", 1.0, 5)];
        events.extend(secs.map(|secs| (user, action, 1.0, secs)));
        events
    };
    check(&at("bob", "view", [50, 60, 70, 109]), &params, bot(4), &["ann"]);
    check(&at("bob", "view", [50, 60, 70, 110]), &params, bot(0), &["ann", "bob"]);
    // One basket is one event, a page that was shown is none.
    check(&at("bob", "purchase", [50; 4]), &params, bot(0), &["ann", "bob"]);
    check(&at("bob", "purchase", [50, 51, 52, 53]), &params, bot(4), &["ann"]);
    check(&at("bob", "return", [50; 4]), &params, bot(0), &["ann", "bob"]);
    check(&at("bob", "impression", [50; 4]), &params, bot(0), &["ann", "bob"]);
    check(
        &at("bob", "view", [50; 4]),
        &CleanParams { bots_per_minute: 0, ..params.clone() },
        bot(0),
        &["ann", "bob"],
    );
    // Whole days know no minutes.
    let days: Vec<_> =
        at("bob", "view", [1; 4]).into_iter().map(|event| (event.0, event.1, 1.0, DAY)).collect();
    check(&days, &params, bot(0), &["ann", "bob"]);
}

/// How many of `n` purchases are left of somebody whose every one comes `apart` seconds after the one before, `lines` at
/// a time, and what told.
fn left_of(n: i64, lines: i64, apart: i64, params: &CleanParams) -> (usize, Vec<String>) {
    let mut events = vec![("ann", "view", 1.0, 5)];
    events.extend((0..n).map(|line| ("bob", "purchase", 1.0, 600 + line / lines * apart)));
    let (left, cleaned) = clean(dataset(&events), params).unwrap();
    assert_eq!(cleaned.by_bots + left.log.len(), events.len());
    (left.log.len() - 1, cleaned.remarks())
}

#[test]
fn whole_seconds_and_days_hide_no_bots_and_large_baskets_are_honest() {
    let params = CleanParams::default();
    for (what, n, lines, apart, is_bot) in [
        ("two lines a second for a minute", 120, 2, 1, true),
        ("a line a second, as at a till", 600, 1, 1, false),
        ("an order of six hundred lines", 600, 600, 1, false),
        ("nine orders of a hundred lines, a few seconds apart", 900, 100, 6, false),
        ("ten of them", 1_000, 100, 6, true),
        ("a hundred and fifty lines a minute, on the minute", 9_000, 150, MINUTE, true),
        ("an order of five hundred lines every hour", 9_000, 500, 60 * MINUTE, false),
        ("five hundred lines a day", 9_000, 500, DAY, false),
        ("two thousand lines a day", 4_000, 2_000, DAY, true),
    ] {
        let (left, told) = left_of(n, lines, apart, &params);
        assert_eq!(left, if is_bot { 0 } else { n as usize }, "{what}: {told:?}");
    }
    let (_, told) = left_of(4_000, 2_000, DAY, &params);
    assert!(told[0].contains("1 user who looks like a bot, with 4000 interactions (clean.bots_per_basket)"));
    let all = CleanParams { bots_per_basket: 0, ..params.clone() };
    assert_eq!(left_of(4_000, 2_000, DAY, &all).0, 4_000);
    assert_eq!(left_of(120, 2, 1, &CleanParams { bots_per_minute: 0, ..params }).0, 120);
}

#[test]
fn absurd_values_go_by_action_and_with_their_return() {
    let mut events = vec![("ann", "purchase", 1.0, 5); 9];
    events.extend([("ann", "purchase", 12.0, 6), ("ann", "rating", 5.0, 7), ("ann", "rating", f32::NAN, 7)]);
    events.extend([("bob", "purchase", 80_995.0, 8), ("bob", "purchase", -80_995.0, 9)]);
    events.push(("bob", "rating", f32::INFINITY, 9));
    let absurd = Cleaned {
        kept: 12,
        outliers: counts("purchase", 2),
        not_finite: counts("rating", 1),
        ..Cleaned::default()
    };
    assert_eq!(absurd.remarks().len(), 2);
    check(&events, &CleanParams::default(), absurd.clone(), &["ann"]);
    let off = CleanParams { outliers: 0.0, ..CleanParams::default() };
    check(&events, &off, Cleaned { kept: 14, outliers: BTreeMap::new(), ..absurd }, &["ann", "bob"]);
}

#[test]
fn all_slips_are_named_and_moments_are_read_as_people_write_them() {
    let text = r#"{ "from": "2017-03-01", "until": 5, "last_days": 0, "outliers": 0.5 }"#;
    let params: CleanParams = serde_json::from_str(text).unwrap();
    assert_eq!(params.from, Some(Timestamp::from_secs(1_488_326_400)));
    assert_eq!(params.problems().len(), 3);
    assert_eq!(clean(Dataset::default(), &params).unwrap_err(), CleanError::Params(params.problems()));
    let printed = serde_json::to_string(&params).unwrap();
    assert!(printed.contains("\"2017-03-01T00:00:00Z\""), "{printed}");
    assert_eq!(serde_json::from_str::<CleanParams>(&printed).unwrap(), params);
}

proptest! {
    #[test]
    fn every_interaction_is_kept_or_counted_once(
        events in prop::collection::vec((0usize..4, 0usize..3, -2000f32..2000.0, 1i64..200), 1..60),
        bots_per_minute in 0u32..9,
        outliers in prop::sample::select(vec![0.0f32, 1.0, 2.0, 10.0]),
        from in 0i64..100,
    ) {
        let events: Vec<_> = events
            .iter()
            .map(|&(user, action, value, secs)| {
                (["a", "b", "c", "d"][user], ["view", "purchase", "impression"][action], value, secs)
            })
            .collect();
        let from = Some(Timestamp::from_secs(from));
        let params = CleanParams { from, bots_per_minute, outliers, ..CleanParams::default() };
        let before = dataset(&events);
        let (after, told) = match clean(before.clone(), &params) {
            Ok((after, told)) => (after, told),
            Err(CleanError::NothingLeft(told)) => (Dataset::default(), *told),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let left_out = told.out_of_range + told.by_bots + told.outliers.values().sum::<usize>();
        prop_assert_eq!((told.read, told.kept), (events.len(), after.log.len()));
        prop_assert_eq!(told.kept + left_out, told.read);
        // Users still own what they did.
        for row in 0..after.log.len() {
            let user = after.log.users.keys()[after.log.user[row] as usize].as_str();
            let (value, at) = (after.log.value[row], after.log.at[row]);
            prop_assert!(events.iter().any(|event| event.0 == user && event.2.to_bits() == value.to_bits() && at == Timestamp::from_secs(event.3)));
        }
        // Cleaning twice changes nothing more of range and bots.
        if !after.log.is_empty() && outliers == 0.0 {
            prop_assert_eq!(clean(after.clone(), &params).unwrap().1.kept, after.log.len());
        }
    }
}
