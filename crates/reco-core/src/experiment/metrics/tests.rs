//! Metrics follow from the log, however it is read, and find what is there.

use super::*;
use crate::error::Rung;
use crate::event::{Action, Details, Event, EventId};
use crate::experiment::{Decision, DecisionRules, Exposure, Served, Verdict};
use crate::store::Place;
use proptest::prelude::*;
use serde_json::json;

const DAY: i64 = 86_400;

fn experiment() -> ExperimentConfig {
    serde_json::from_value(json!({"variants": [{"name": "A"}, {"name": "B"}]})).unwrap()
}

fn exposure(unit: &str, variant: &str, secs: i64, latency_ms: f64) -> Event {
    let exposure = Exposure {
        experiment: "x".into(),
        variant: variant.into(),
        unit: unit.into(),
        at: Timestamp::from_secs(secs),
        request: None,
        session: None,
        segments: BTreeMap::new(),
        served: Served { latency_ms, rung: Rung::Full, ..Served::default() },
    };
    exposure.event(secs)
}

fn event(user: &str, action: Action, value: Option<f32>, secs: i64) -> Event {
    Event {
        id: EventId(1),
        user: user.into(),
        item: "tea".into(),
        action,
        value,
        at: Timestamp::from_secs(secs),
        details: None,
    }
}

fn deliveries(events: Vec<Event>) -> Vec<Delivery> {
    let place = |offset| Place { partition: 0, offset };
    (0..).zip(events).map(|(offset, event)| Delivery { place: place(offset), event }).collect()
}

async fn counted(events: Vec<Event>) -> Metrics {
    let mut metrics = Metrics::in_memory(&MetricConfig::usual());
    metrics.take(&deliveries(events)).await.unwrap();
    metrics
}

fn metric<'a>(report: &'a ExperimentReport, name: &str) -> &'a MetricReport {
    report.metrics.iter().find(|metric| metric.name == name).unwrap()
}

fn values(report: &ExperimentReport, name: &str) -> Vec<f64> {
    metric(report, name).arms.iter().map(|arm| arm.unwrap_or(f64::NAN)).collect()
}

#[tokio::test]
async fn what_is_done_after_an_exposure_counts_and_nothing_else() {
    let mut events = Vec::new();
    for user in ["u1", "u2", "u3", "u4"] {
        events.push(event(user, Action::Purchase, Some(50.0), 9 * DAY));
        events.push(exposure(user, if user < "u3" { "A" } else { "B" }, 10 * DAY, 5.0));
        events.push(event(user, Action::Purchase, Some(7.0), 9 * DAY));
        events.push(event(user, Action::Purchase, Some(1_000.0), 18 * DAY));
    }
    events.push(event("u1", Action::Purchase, Some(3.0), 11 * DAY));
    events.push(event("u3", Action::Purchase, Some(4.0), 12 * DAY));
    events.push(event("u3", Action::Purchase, Some(4.0), 13 * DAY));
    let report = counted(events).await.report("x", &experiment());
    assert_eq!(values(&report, "conversion"), [0.5, 0.5]);
    let arms: Vec<(&str, u64)> = report.arms.iter().map(|arm| (&*arm.variant, arm.users)).collect();
    assert_eq!(arms, [("A", 2), ("B", 2)]);
    // At the 99th percentile of 3, 0, 8 and 0.
    let revenue = values(&report, "revenue");
    assert!((revenue[0] - 1.5).abs() < 1e-9 && (revenue[1] - 3.925).abs() < 1e-9, "{revenue:?}");
}

#[tokio::test]
async fn clicks_are_divided_by_impressions_of_users() {
    let mut events = Vec::new();
    for (user, variant, clicks, impressions) in
        [("u1", "A", 1, 10), ("u2", "A", 2, 10), ("u3", "B", 5, 10), ("u4", "B", 1, 20)]
    {
        events.push(exposure(user, variant, DAY, 5.0));
        events.extend((0..clicks).map(|_| event(user, Action::Click, None, DAY + 5)));
        events.extend((0..impressions).map(|_| event(user, Action::Impression, None, DAY + 5)));
    }
    let report = counted(events).await.report("x", &experiment());
    let ctr = values(&report, "ctr");
    assert!((ctr[0] - 3.0 / 20.0).abs() < 1e-12 && (ctr[1] - 6.0 / 30.0).abs() < 1e-12, "{ctr:?}");
}

#[tokio::test]
async fn who_saw_two_variants_counts_for_none_and_a_visitor_is_who_logs_in() {
    let as_ann = |secs| {
        let mut exposed = Exposure::read(&exposure("ann", "A", secs, 5.0)).unwrap();
        exposed.session = Some("s1".into());
        exposed.event(secs)
    };
    let in_session = Some(Box::new(Details { session: Some("s1".into()), ..Details::default() }));
    let visitor = UserKey::of_session("s1");
    let events = vec![
        exposure("bob", "A", DAY, 5.0),
        exposure("bob", "B", 2 * DAY, 5.0),
        exposure(visitor.as_str(), "A", DAY, 5.0),
        event(visitor.as_str(), Action::Click, None, DAY + 10),
        // Known by name, but not exposed under it yet.
        Event { details: in_session, ..event("ann", Action::Click, None, DAY + 11) },
        as_ann(DAY + 20),
        event("ann", Action::Click, None, DAY + 30),
        exposure("cem", "A", DAY, 5.0),
    ];
    let report = counted(events).await.report("x", &experiment());
    assert_eq!((report.mixed, report.arms[0].users), (1, 2));
    assert_eq!(metric(&report, "engagement").arms[0], Some(1.5), "three clicks of ann's, none of cem's");
}

/// Events of a few users around exposures.
fn log() -> impl Strategy<Value = Vec<Event>> {
    let row = (0..6u8, 0..6u8, 0..3u8, prop::option::of(0.0f32..100.0), 0..30 * DAY);
    prop::collection::vec(row, 1..120).prop_map(|rows| {
        let event = |(user, what, variant, value, secs): (u8, u8, u8, Option<f32>, i64)| {
            let user = format!("user{user}");
            match what {
                0 => exposure(&user, if variant == 0 { "A" } else { "B" }, secs, f64::from(variant)),
                1 => event(&user, Action::Impression, None, secs),
                2 => event(&user, Action::Click, None, secs),
                _ => event(&user, Action::Purchase, value, secs),
            }
        };
        rows.into_iter().map(event).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn restarts_and_replays_come_to_the_numbers_of_the_whole_log(
        events in log(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let deliveries = deliveries(events.clone());
            let whole = counted(events).await;
            let folder = tempfile::tempdir().unwrap();
            let open = || Metrics::open(&MetricConfig::usual(), folder.path().join("metrics")).unwrap();
            for cut in cuts {
                let mut metrics = open();
                metrics.take(&deliveries[..cut.index(deliveries.len())]).await.unwrap();
                metrics.flush().await.unwrap();
            }
            let mut metrics = open();
            metrics.take(&deliveries).await.unwrap();
            prop_assert_eq!(&metrics.state.lock().tally, &whole.state.lock().tally);
            prop_assert_eq!(metrics.report("x", &experiment()), whole.report("x", &experiment()));
            Ok(())
        })?;
    }
}

/// A shop of which every tenth user buys, and of B's users so many more; answers of B take so many milliseconds.
async fn simulated(lift: f64, latency_of_b: f64, users: u64) -> ExperimentReport {
    let mut events = Vec::new();
    for user in 0..users {
        let name = format!("user{user}");
        let is_b = user % 2 == 1;
        let at = DAY + (user as i64 * 7 * DAY) / users as i64;
        let noise = crate::experiment::HashVersion::V2;
        let latency = if is_b { latency_of_b } else { 5.0 } + noise.place("latency", &name);
        events.push(exposure(&name, if is_b { "B" } else { "A" }, at, latency));
        let chance = if is_b { 0.1 + lift } else { 0.1 };
        if noise.place("buys", &name) < chance {
            events.push(event(&name, Action::Purchase, Some(10.0), at + 60));
        }
    }
    counted(events).await.report("x", &experiment())
}

fn decided(report: &ExperimentReport, day: i64) -> Decision {
    Decision::new(report, &DecisionRules::default(), Timestamp::from_secs(DAY * (1 + day)))
}

#[tokio::test]
async fn a_better_variant_is_promoted_once_it_has_run_long_enough() {
    let report = simulated(0.03, 5.0, 20_000).await;
    let early = decided(&report, 3);
    assert_eq!(early.verdict, Verdict::KeepRunning);
    assert!(early.reasons.iter().any(|reason| reason.contains("must run for 7")), "{early:?}");
    let late = decided(&report, 8);
    assert_eq!((late.verdict, late.variant.as_deref()), (Verdict::Promote, Some("B")), "{late:?}");
}

#[tokio::test]
async fn a_worse_or_slower_variant_is_rolled_back_at_once_and_an_equal_one_waits() {
    let worse = decided(&simulated(-0.04, 5.0, 20_000).await, 1);
    assert_eq!(worse.verdict, Verdict::RollBack, "{worse:?}");
    let slower = decided(&simulated(0.0, 9.0, 20_000).await, 1);
    assert_eq!(slower.verdict, Verdict::RollBack, "{slower:?}");
    assert!(slower.reasons[0].contains("guard-rail of latency_p95"), "{slower:?}");
    let equal = decided(&simulated(0.0, 5.0, 20_000).await, 9);
    assert_eq!(equal.verdict, Verdict::KeepRunning, "{equal:?}");
}

#[tokio::test]
async fn users_that_came_in_otherwise_than_meant_make_it_invalid() {
    let mut report = simulated(0.03, 5.0, 20_000).await;
    report.mixed = 1_000;
    assert_eq!(decided(&report, 9).verdict, Verdict::Invalid);
    let mut config = experiment();
    config.variants[0].weight = Some(2.0);
    let mut events = Vec::new();
    for user in 0..4_000 {
        events.push(exposure(&format!("u{user}"), if user % 2 == 0 { "A" } else { "B" }, DAY, 5.0));
    }
    let decision = decided(&counted(events).await.report("x", &config), 9);
    assert_eq!(decision.verdict, Verdict::Invalid);
    assert!(decision.reasons[0].contains("in the ratio that was meant"), "{decision:?}");
}

/// The event of an exposure with other values of what users are divided by.
fn on_device(exposed: Event, device: &str) -> Event {
    let exposure = Exposure::read(&exposed).unwrap();
    let window = exposure.at.millis() / 1_000;
    Exposure { segments: [("device".to_owned(), device.to_owned())].into(), ..exposure }.event(window)
}

#[tokio::test]
async fn users_of_each_kind_are_told_apart() {
    let (mut events, noise) = (Vec::new(), crate::experiment::HashVersion::V2);
    for user in 0..12_000 {
        let (name, is_b, is_phone) = (format!("user{user}"), user % 2 == 1, user % 3 == 0);
        let exposed = exposure(&name, if is_b { "B" } else { "A" }, DAY, 5.0);
        events.push(on_device(exposed, if is_phone { "phone" } else { "desk" }));
        // On phones alone B sells more.
        let chance = if is_b && is_phone { 0.2 } else { 0.1 };
        if noise.place("buys", &name) < chance {
            events.push(event(&name, Action::Purchase, Some(10.0), DAY + 60));
        }
    }
    let report = counted(events).await.report("x", &experiment());
    let [desk, phone] = &report.segments[..] else { panic!("{:?}", report.segments) };
    assert_eq!(
        (&*desk.value, desk.arms[0].users, &*phone.value, phone.arms[1].users),
        ("desk", 4_000, "phone", 2_000)
    );
    assert!(phone.adjusted[0] < 0.01 && desk.adjusted[0] > 0.05, "{:?}, {:?}", phone.adjusted, desk.adjusted);
    let raw = phone.metric.as_ref().and_then(|metric| metric.compared[0].as_ref()).unwrap().anytime.p;
    assert!(phone.adjusted[0] >= raw, "looking at several costs something");
    assert!(phone.mismatch.is_some_and(|mismatch| !mismatch.alarms()));
}

#[tokio::test]
async fn arms_that_differed_before_make_it_invalid() {
    let spending = |more_of_b: f32| {
        let mut events = Vec::new();
        for user in 0..4_000i64 {
            let (name, is_b) = (format!("user{user}"), user % 2 == 1);
            let spent = (user % 7) as f32 + if is_b { more_of_b } else { 0.0 };
            events.push(event(&name, Action::Purchase, Some(spent), 9 * DAY));
            events.push(exposure(&name, if is_b { "B" } else { "A" }, 10 * DAY, 5.0));
        }
        counted(events)
    };
    let equal = spending(0.0).await.report("x", &experiment());
    assert!(equal.before.iter().all(|before| !before.alarms()), "{:?}", equal.before);
    assert_eq!(decided(&equal, 12).verdict, Verdict::KeepRunning);
    let report = spending(1.0).await.report("x", &experiment());
    let decision = decided(&report, 12);
    assert_eq!(decision.verdict, Verdict::Invalid);
    assert!(decision.reasons[0].contains("before they were exposed: by +0.99"), "{decision:?}");
}

#[tokio::test]
async fn a_test_of_the_experiment_itself_says_how_much_seems_to_differ() {
    let (n_different, n_compared) = simulated(0.0, 5.0, 4_000).await.seem_different().unwrap();
    assert!(n_compared > 0 && n_different <= n_compared);
    let mut config = experiment();
    config.variants[1].version = Some(7);
    assert_eq!(counted(Vec::new()).await.report("x", &config).seem_different(), None);
}
