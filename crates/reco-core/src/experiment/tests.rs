//! What assignments promise, over experiments of all kinds.

use super::*;
use crate::id::UserKey;
use crate::request::Surface;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn experiments(configs: &Value) -> Result<Experiments, Vec<String>> {
    with_holdouts(configs, &json!({}))
}

fn with_holdouts(configs: &Value, holdouts: &Value) -> Result<Experiments, Vec<String>> {
    let configs = serde_json::from_value(configs.clone()).unwrap();
    Experiments::new(configs, serde_json::from_value(holdouts.clone()).unwrap())
}

fn assigned(experiments: &Experiments, user: &str, memory: &dyn Memory) -> Vec<Assignment> {
    let (user, attributes) = (UserKey::from(user), Map::new());
    let subject = Subject { user: &user, session: None, attributes: &attributes };
    experiments.assign(subject, &Surface::Home, memory)
}

fn header(experiments: &Experiments, user: &str) -> String {
    Experiments::header(&assigned(experiments, user, &NoMemory)).unwrap_or_default()
}

/// Users of a thousand by what the header says of them.
fn shares(experiments: &Experiments) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for user in 0..1_000 {
        *shares.entry(header(experiments, &format!("user{user}"))).or_default() += 1;
    }
    shares
}

#[test]
fn whole_experiments_go_as_in_the_sdk_of_growthbook() {
    let mut vectors: Value =
        serde_json::from_str(include_str!("../../tests/vectors/assignment.json")).unwrap();
    let cases: Vec<(Value, String, i64)> = serde_json::from_value(vectors["run"].take()).unwrap();
    for (theirs, user, variation) in cases {
        let variants = theirs["variations"].as_array().unwrap().iter();
        let variant = |n: &Value| match &theirs["weights"] {
            Value::Null => json!({"name": n.to_string()}),
            weights => json!({"name": n.to_string(), "weight": weights[n.as_u64().unwrap() as usize]}),
        };
        let mut ours = json!({
            "hash_version": theirs["hashVersion"],
            "coverage": theirs["coverage"].as_f64().unwrap_or(1.0),
            "variants": variants.map(variant).collect::<Vec<_>>(),
        });
        if let Some(seed) = theirs.get("seed") {
            ours["seed"] = seed.clone();
        }
        if let Some(Value::Array(part)) = theirs.get("namespace") {
            ours["layer"] = json!({"name": part[0], "from": part[1], "to": part[2]});
        }
        let key = theirs["key"].as_str().unwrap();
        let found = assigned(&experiments(&json!({ key: ours })).unwrap(), &user, &NoMemory);
        let found = found.first().map_or(-1, |of| i64::from(of.arm.0));
        assert_eq!(found, variation, "{theirs} {user}");
    }
}

#[test]
fn buckets_of_a_hundred_are_a_preset() {
    let config = json!({"exp_123": {"split": "percent", "variants": [
        {"name": "control"}, {"name": "A", "weight": 5}, {"name": "B", "weight": 5}]}});
    let experiments = experiments(&config).unwrap();
    let ranges = experiments.config("exp_123").unwrap().ranges();
    assert_eq!(ranges, [0.1..1.0, 0.0..0.05, 0.05..0.1]);
    for user in 0..500 {
        let user = format!("user{user}");
        let bucket = (HashVersion::V2.place("exp_123", &user) * 100.0).floor() as u32;
        let expected = match bucket {
            0..=4 => "exp_123_A",
            5..=9 => "exp_123_B",
            _ => "exp_123_control",
        };
        assert_eq!(header(&experiments, &user), expected, "bucket {bucket}");
    }
}

#[test]
fn experiments_of_one_layer_share_no_user_and_others_do() {
    let part = |from: f64, to: f64| json!({"variants": [{"name": "x"}], "layer": {"name": "l", "from": from, "to": to}});
    let config = json!({"a": part(0.0, 0.5), "b": part(0.5, 1.0), "c": {"variants": [{"name": "x"}]}});
    let shares = shares(&experiments(&config).unwrap());
    assert_eq!(shares.keys().collect::<Vec<_>>(), ["a_x,c_x", "b_x,c_x"]);
    assert!(shares.values().all(|users| (400..600).contains(users)), "{shares:?}");
}

#[test]
fn who_is_held_out_takes_part_in_nothing() {
    let config = json!({"a": {"variants": [{"name": "x"}]}, "b": {"variants": [{"name": "y"}]}});
    let holdouts = json!({"all": {"share": 0.1}, "some": {"share": 0.2, "from": ["b"]}});
    let shares = shares(&with_holdouts(&config, &holdouts).unwrap());
    assert_eq!(shares.keys().collect::<Vec<_>>(), ["", "a_x", "a_x,b_y"]);
    assert!((60..150).contains(&shares[""]) && (120..240).contains(&shares["a_x"]), "{shares:?}");
}

#[test]
fn only_those_who_match_on_its_surface_take_part_but_overrides_always_do() {
    let config = json!({"a": {"only": "country = 'AT'", "surfaces": ["home"], "overrides": {"qa": "y"},
                              "variants": [{"name": "x"}, {"name": "y", "weight": 0}]}});
    let experiments = experiments(&config).unwrap();
    let asked = |user: &str, country: &str, surface: &Surface| {
        let attributes = json!({ "country": country });
        let (user, attributes) = (user.into(), attributes.as_object().unwrap());
        let subject = Subject { user: &user, session: None, attributes };
        Experiments::header(&experiments.assign(subject, surface, &NoMemory)).unwrap_or_default()
    };
    assert_eq!(asked("ann", "AT", &Surface::Home), "a_x");
    assert_eq!(asked("ann", "DE", &Surface::Home), "");
    assert_eq!(asked("ann", "AT", &Surface::Similar("tea".into())), "");
    assert_eq!(asked("qa", "DE", &Surface::Home), "a_y");
}

/// Remembers one variant for everybody.
struct Had(&'static str, UserKey);

impl Memory for Had {
    fn variant(&self, _: &str, unit: &UserKey) -> Option<Arc<str>> {
        (*unit == self.1).then(|| self.0.into())
    }
}

#[test]
fn a_visitor_who_logs_in_keeps_the_variant() {
    let config = json!({"a": {"variants": [{"name": "x"}, {"name": "y"}]}});
    let experiments = experiments(&config).unwrap();
    let attributes = Map::new();
    for n in 0..50 {
        let (session, user) = (format!("s{n}"), UserKey::from(format!("user{n}")));
        let visitor = UserKey::of_session(&session);
        let asked = |user: &UserKey, memory: &dyn Memory| {
            let subject = Subject { user, session: Some(&session), attributes: &attributes };
            experiments.assign(subject, &Surface::Home, memory).remove(0)
        };
        let before = asked(&visitor, &NoMemory);
        let name = if &*before.variant == "x" { "x" } else { "y" };
        let after = asked(&user, &Had(name, visitor));
        assert_eq!((after.variant, after.how), (before.variant, How::Kept));
    }
}

#[test]
fn sessions_are_divided_whoever_is_in_them() {
    let config = json!({"a": {"by": "session", "variants": [{"name": "x"}, {"name": "y"}]}});
    let experiments = experiments(&config).unwrap();
    let attributes = Map::new();
    let asked = |user: &str, session: Option<&str>| {
        let user = user.into();
        experiments.assign(
            Subject { user: &user, session, attributes: &attributes },
            &Surface::Home,
            &NoMemory,
        )
    };
    assert_eq!(asked("ann", Some("s1")), asked("bob", Some("s1")));
    assert!(asked("ann", None).is_empty(), "without a session there is none to divide");
}

#[test]
fn what_cannot_go_together_is_named_all_at_once() {
    let config = json!({
        "bad name": {"coverage": 2, "variants": [{"name": "x"}, {"name": "x", "weight": -1}]},
        "a": {"variants": [{"name": "x", "pipeline": {"rerank": {"per_category": 2}}}]},
        "b": {"variants": [{"name": "x", "pipeline": {"rerank": {"per_category": 3}}}]},
        "c": {"variants": [{"name": "x"}], "layer": {"name": "l", "from": 0, "to": 0.6}, "surfaces": ["hoem"]},
        "d": {"variants": [{"name": "x"}], "layer": {"name": "l", "from": 0.5, "to": 1}, "overrides": {"qa": "z"}},
        "e": {"only": "country < 'AT'", "variants": [], "exposure_hours": 0, "layer": {"name": "m", "from": 1, "to": 0}},
        "f": {"split": "percent", "variants": [{"name": "x", "weight": 60}, {"name": "y", "weight": 60}]},
    });
    let problems = with_holdouts(&config, &json!({"h": {"share": 3, "from": ["z"]}})).unwrap_err().join("\n");
    for part in [
        "a name is `bad name`, has ' '",
        "experiments.bad name.coverage is 2",
        "variants[1].name is `x`, as another's",
        "variants[1].weight is -1",
        "experiments a and b both change pipeline.rerank.per_category",
        "experiments c and d overlap in the layer `l`",
        "surfaces: there is no `hoem`",
        "overrides.qa: there is no variant `z`",
        "experiments.e.variants are 0",
        "experiments.e.exposure_hours is 0",
        "experiments.e.only: ",
        "layer `m` is from 1 to 0",
        "at most 100 percent",
        "holdouts.h.share is 3",
        "holdouts.h.from: there is no experiment `z`",
    ] {
        assert!(problems.contains(part), "{part} is not in\n{problems}");
    }
}

#[test]
fn experiments_that_change_the_same_may_follow_each_other_or_stand_apart() {
    let change = json!([{"name": "x", "version": 3}]);
    let apart = json!({
        "a": {"variants": change, "state": "stopped"},
        "b": {"variants": change, "layer": {"name": "models", "from": 0, "to": 0.5}},
        "c": {"variants": change, "layer": {"name": "models", "from": 0.5, "to": 1}},
    });
    assert!(experiments(&apart).is_ok());
    let surfaces = json!({
        "a": {"variants": change, "surfaces": ["home"]},
        "b": {"variants": change, "surfaces": ["similar", "category"]},
    });
    assert!(experiments(&surfaces).is_ok());
}

proptest! {
    #[test]
    fn a_ramp_moves_nobody_who_takes_part(
        users in prop::collection::vec("[a-z0-9]{1,12}", 1..50),
        weights in prop::collection::vec(0.1f64..10.0, 1..6),
        percent in any::<bool>(),
        version in 1..3u8,
        steps in prop::collection::vec(0.0f64..=1.0, 2..5),
    ) {
        let mut steps = steps;
        steps.sort_by(f64::total_cmp);
        let of = |coverage: f64| {
            let names = weights.iter().enumerate();
            let variants: Vec<Value> =
                names.map(|(n, weight)| json!({"name": n.to_string(), "weight": weight})).collect();
            let split = if percent { "percent" } else { "weights" };
            experiments(&json!({"ramp": {"coverage": coverage, "hash_version": version, "split": split,
                                         "variants": variants}})).unwrap()
        };
        let ramp: Vec<Experiments> = steps.iter().map(|coverage| of(*coverage)).collect();
        for user in users {
            let seen: Vec<String> =
                ramp.iter().map(|at| header(at, &user)).skip_while(String::is_empty).collect();
            prop_assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
        }
    }

    #[test]
    fn what_is_remembered_is_kept_whatever_the_weights(user in ".{0,12}", weight in 0.0f64..=1.0) {
        let config = json!({"a": {"variants": [{"name": "x", "weight": weight}, {"name": "y", "weight": 1.0 - weight}]}});
        let experiments = experiments(&config).unwrap();
        let kept = assigned(&experiments, &user, &Had("y", user.as_str().into()));
        let header = Experiments::header(&kept);
        prop_assert_eq!(header.as_deref(), Some("a_y"));
    }
}
