//! The page is well-formed, complete, self-contained, and shows ids as they are.

use super::*;
use crate::evaluate::Bin;
use crate::fit::insight::{Importance, RankerInsight};
use crate::flow::{ExampleItem, Figure, Judged, Judgement};
use crate::track::Metric;
use reco_core::event::{Action, Event, EventId};
use reco_core::experiment::{
    Decision, ExperimentConfig, ExperimentReport, Exposure, MetricConfig, Metrics, Served,
};
use reco_core::store::{Delivery, Place};
use reco_core::time::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;

/// What would do harm if it were not escaped.
const EVIL: &str = "<script>alert(\"x\")</script>&'";

fn judgement() -> Judgement {
    let model = |name: &str, baseline: bool, value: f64| {
        let figure = |metric: &str, k: usize| {
            let versus = (!baseline).then(|| ("popularity".to_owned(), 0.05, (0.01, 0.09)));
            let interval = Some((value / 2.0, value * 1.5));
            (format!("{metric}@{k}"), Figure { value: Some(value / k as f64), interval, versus })
        };
        let metrics = ["ndcg", "hr", "recall", "precision", "map", "mrr", "coverage", "gini", "novelty"];
        let mut figures: BTreeMap<_, _> =
            metrics.iter().flat_map(|metric| [1, 10].map(|k| figure(metric, k))).collect();
        figures.insert("diversity@10".to_owned(), Figure { value: None, interval: None, versus: None });
        let deciles = BTreeMap::from([("deciles@10".to_owned(), [0.1; 10])]);
        Judged { name: name.to_owned(), baseline, ranked_by: None, figures, deciles, seconds: 1.5 }
    };
    Judgement {
        train_interactions: 100,
        test_interactions: 10,
        users: 7,
        taken_deciles: [0.1; 10],
        remarks: vec![EVIL.to_owned()],
        models: vec![model("pipeline", false, 0.3), model("popularity", true, 0.25)],
    }
}

fn fitted() -> Fitted {
    let item = ExampleItem {
        item: EVIL.to_owned(),
        title: EVIL.to_owned(),
        category: EVIL.to_owned(),
        score: 0.5,
        reasons: vec![EVIL.to_owned()],
    };
    let page = |user: &str| ExamplePage {
        user: user.to_owned(),
        had: 3,
        latest: vec![EVIL.to_owned()],
        items: vec![item.clone()],
    };
    Fitted {
        models: vec![EVIL.to_owned()],
        curves: (1..5).map(|step| Metric::new("fit", EVIL, "ndcg@10", 0.1).step(step)).collect(),
        insights: vec![RankerInsight {
            ranker: "wide_deep".to_owned(),
            reliability: (0..10)
                .map(|n| Bin { rows: 5, predicted: f64::from(n) / 20.0, observed: 0.1 })
                .collect(),
            importance: [(EVIL, 0.1), ("b", -0.01)]
                .map(|(feature, drop)| Importance { feature: feature.to_owned(), drop })
                .into(),
            ..RankerInsight::default()
        }],
        examples: vec![page(EVIL), page("")],
        ..Fitted::default()
    }
}

fn rendered(test: &Verdict, fitted: &Fitted) -> String {
    let mut run = RunStart::new("monday".parse().unwrap(), EVIL);
    run.parameters.insert(EVIL.to_owned(), json!(EVIL));
    run.tags.insert("data.rows".to_owned(), "110".to_owned());
    let verdicts = [Verdict::Judged(judgement()), Verdict::Impossible(EVIL.to_owned())];
    let candidates: Vec<(String, Verdict)> =
        [EVIL.to_owned(), "wide".to_owned()].into_iter().zip(verdicts).collect();
    let cleaned = Cleaned { read: 120, kept: 110, bots: 1, by_bots: 10, ..Cleaned::default() };
    let judge = JudgeParams::default();
    render(&Facts {
        run: &run,
        judge: &judge,
        cleaned: &cleaned,
        candidates: &candidates,
        chosen: 0,
        test,
        fitted,
        remarks: &[EVIL.to_owned()],
    })
}

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "!DOCTYPE"];

/// The names of all elements in their order. Panics where one is not closed, or closed out of turn.
fn elements(html: &str) -> Vec<String> {
    let (mut names, mut open) = (Vec::new(), Vec::<String>::new());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        assert!(
            !rest[..start].contains('>') || open.last().is_some_and(|name| name == "style"),
            "a stray `>`"
        );
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        assert!(tag.matches('"').count().is_multiple_of(2), "an attribute of <{tag}> is torn");
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap_or_default().to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name), "</{name}> closes what was opened last");
        } else {
            if !tag.ends_with('/') && !VOID.contains(&&*name) {
                open.push(name.clone());
            }
            names.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} are never closed");
    names
}

#[test]
fn every_section_is_there_and_the_page_is_well_formed() {
    let judged = Verdict::Judged(judgement());
    let html = rendered(&judged, &fitted());
    let names = elements(&html);
    let count = |name: &str| names.iter().filter(|known| *known == name).count();
    assert_eq!((count("section"), count("h1"), count("main"), count("script")), (SECTIONS.len(), 1, 1, 0));
    // Lengths, learning, calibration, popularity, importance.
    assert_eq!((count("svg"), count("figcaption")), (5, 5));
    for (id, title) in SECTIONS {
        assert!(
            html.contains(&format!("<section id=\"{id}\"")) && html.contains(&format!("href=\"#{id}\"")),
            "{id}"
        );
        assert!(html.contains(&format!(">{title}</h2>")), "{title}");
    }
    for said in [
        "reaches ndcg@10 0.0300 (95 % 0.1500 to 0.4500)",
        "+0.0500 beside popularity",
        "better",
        "expected calibration error",
        "110 of the 120 interactions",
        "Somebody new",
        "1 user who looks like a bot",
    ] {
        assert!(html.contains(said), "{said:?} is missing");
    }
}

#[test]
fn what_the_data_hold_is_shown_and_never_run() {
    let html = rendered(&Verdict::Judged(judgement()), &fitted());
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;alert("));
    // Nothing is fetched from anywhere: links lead within the page, and the one address is a name space.
    let addresses = html.matches("http").count();
    assert_eq!(addresses, html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    assert!(!html.contains("src=") && !html.contains("@import") && !html.contains("url("));
    assert!(html.matches("href=\"").count() == html.matches("href=\"#").count());
}

#[test]
fn a_run_that_judged_nothing_and_learned_no_ranker_says_so() {
    let html = rendered(&Verdict::Impossible("no user came back".to_owned()), &Fitted::default());
    assert_eq!(elements(&html).iter().filter(|name| *name == "section").count(), SECTIONS.len());
    assert!(html.contains("was fitted, but not judged: no user came back"));
    assert!(html.contains("This run fits no ranker") && !html.contains("NaN"));
}

/// Nine days of an experiment whose variant doubles clicks, and has an odd name.
fn experiment_days() -> (Vec<(f64, ExperimentReport)>, Decision) {
    const DAY: i64 = 86_400;
    let variants = json!({"variants": [{"name": "A"}, {"name": EVIL}], "decide": {"metric": "engagement"}});
    let config: ExperimentConfig = serde_json::from_value(variants).unwrap();
    let metrics = Metrics::in_memory(&MetricConfig::usual());
    let mut place = Place { partition: 0, offset: 0 };
    let mut count = |event: Event| {
        metrics.count(&[Delivery { place, event }]);
        place.offset += 1;
    };
    let mut days = Vec::new();
    for day in 0..9 {
        let at = |secs: i64| Timestamp::from_secs(DAY * (20_000 + day) + secs);
        for number in 0..400 {
            let arm = (number % 2) as usize;
            let exposure = Exposure {
                experiment: "clicks".into(),
                variant: config.variants[arm].name.as_str().into(),
                unit: format!("user {day} {number}").into(),
                at: at(number),
                request: None,
                session: None,
                segments: [("device".to_owned(), if number % 5 == 0 { EVIL } else { "phone" }.to_owned())]
                    .into(),
                served: Served { latency_ms: 5.0, ..Served::default() },
            };
            let user = exposure.unit.clone();
            count(exposure.event(day));
            for click in 0..=number % 3 * (1 + arm as i64) {
                let (id, user, item) = (EventId(1), user.clone(), "tea".into());
                let (action, at) = (Action::Click, at(1_000 + number + click));
                count(Event { id, user, item, action, value: None, at, details: None });
            }
        }
        days.push((day as f64 + 0.5, metrics.report("clicks", &config)));
    }
    let decision = Decision::new(&days[8].1, &config.decide, Timestamp::from_secs(DAY * 20_009));
    (days, decision)
}

#[test]
fn an_experiment_is_told_day_by_day() {
    let (days, decision) = experiment_days();
    assert_eq!(decision.verdict, reco_core::experiment::Verdict::Promote, "{decision:?}");
    let turns = [EVIL.to_owned()];
    let facts = ExperimentFacts { name: EVIL, days: &days, decision: &decision, turns: &turns };
    let html = render_experiment(&facts);
    let names = elements(&html);
    let count = |name: &str| names.iter().filter(|known| *known == name).count();
    assert_eq!((count("section"), count("h1"), count("script")), (5, 1, 0));
    // Clicks, conversion and the like: what nobody did has no interval. The sizes of the arms have a plot, too.
    let known = days[8].1.metrics.iter().filter(|metric| metric.compared[0].is_some()).count();
    assert!(known >= 2 && count("svg") <= known + 1 && count("svg") >= 3, "{} of {known}", count("svg"));
    assert!(!html.contains("<script") && !html.contains("NaN") && html.contains("&lt;script&gt;"));
    assert!(html.contains("Promote: give") && html.contains("in the ratio that was meant, on every day"));
    let facts = ExperimentFacts { days: &[], ..facts };
    assert!(render_experiment(&facts).contains("Nobody was exposed to it yet"));
}
