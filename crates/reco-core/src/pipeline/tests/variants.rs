//! Variants of experiments answer from pipelines of their own and share everything else.

use crate::event::{Action, Event, EventId};
use crate::experiment::{Experiments, NoMemory, Subject};
use crate::filter::SeenPolicy;
use crate::fixture;
use crate::pipeline::{PipelineConfig, Recommender, VariantError, Variants};
use crate::request::{Request, Surface};
use crate::snapshot::Snapshot;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn config() -> PipelineConfig {
    PipelineConfig { threads: 1, seen: SeenPolicy::Always, ..PipelineConfig::default() }
}

fn main() -> Recommender {
    config().builder(fixture::snapshot()).unwrap().build().unwrap()
}

fn variants(configs: &Value) -> Result<Variants, VariantError> {
    let configs = serde_json::from_value(configs.clone()).unwrap();
    let experiments = Experiments::new(configs, BTreeMap::new()).unwrap();
    let load = |version| match version {
        7 => Ok(Arc::new(Snapshot { version: "v7".into(), ..fixture::snapshot() })),
        other => Err(format!("there is no v{other}")),
    };
    Variants::new(main(), experiments, &config(), PipelineConfig::builder, load)
}

/// What a user's pages have on them, by the header.
fn answered(variants: &Variants, user: &str) -> (String, Vec<String>, String) {
    let (key, attributes) = (user.into(), Map::new());
    let subject = Subject { user: &key, session: None, attributes: &attributes };
    let assigned = variants.experiments().assign(subject, &Surface::Home, &NoMemory);
    let page = variants.of(&assigned).recommend_now(Request::for_user(user).count(8)).unwrap();
    let items = page.items.iter().map(|item| item.key.to_string()).collect();
    (Experiments::header(&assigned).unwrap_or_default(), items, page.snapshot.to_string())
}

/// How many categories there are on a page.
fn n_categories(items: &[String]) -> usize {
    let catalog = fixture::catalog();
    items.iter().map(|item| catalog.category_of(item)).collect::<BTreeSet<_>>().len()
}

fn only_one_category() -> Value {
    json!({"only": "category = 'category1'"})
}

#[test]
fn each_variant_makes_pages_by_its_own_settings() {
    let config =
        json!({"alike": {"variants": [{"name": "A"}, {"name": "B", "pipeline": only_one_category()}]}});
    let variants = variants(&config).unwrap();
    let mut seen = BTreeMap::new();
    for user in 0..20 {
        let (header, items, _) = answered(&variants, &format!("user{user}"));
        seen.insert(header, n_categories(&items));
    }
    assert_eq!(seen, BTreeMap::from([("alike_A".to_owned(), 4), ("alike_B".to_owned(), 1)]));
}

#[test]
fn variants_of_several_experiments_come_together() {
    let config = json!({
        "alike": {"variants": [{"name": "B", "pipeline": only_one_category()}]},
        "model": {"variants": [{"name": "new", "version": 7}]},
    });
    let (header, items, version) = answered(&variants(&config).unwrap(), "ann");
    assert_eq!((&*header, &*version), ("alike_B,model_new", "v7"));
    assert_eq!(n_categories(&items), 1);
}

#[test]
fn all_pipelines_feel_events_and_follow_swaps_but_those_with_a_model_of_their_own() {
    let config = json!({"a": {"variants": [
        {"name": "x", "pipeline": {"rerank": {"per_category": 2}}}, {"name": "y", "version": 7}]}});
    let variants = variants(&config).unwrap();
    variants.main().swap(Snapshot { version: "next".into(), ..fixture::snapshot() });
    variants.main().live().apply(&Event {
        id: EventId(1),
        user: "user1".into(),
        item: "item4".into(),
        action: Action::Purchase,
        value: None,
        at: fixture::now(),
        details: None,
    });
    for user in 0..20 {
        let (header, items, version) = answered(&variants, &format!("user{user}"));
        assert_eq!(version, if header == "a_x" { "next" } else { "v7" });
        assert!(user != 1 || !items.contains(&"item4".to_owned()), "what was bought does not come again");
    }
}

#[test]
fn what_variants_cannot_change_is_named_with_its_path() {
    let config = json!({
        "a": {"variants": [{"name": "x", "pipeline": {"rerank": {"per_category": 0}, "ranker": "best"}},
                           {"name": "y", "pipeline": {"deadline": 3}}]},
    });
    let problems = variants(&config).unwrap_err().to_string();
    for part in ["experiments.a.variants.x.pipeline.ranker", "experiments.a.variants.y.pipeline.deadline"] {
        assert!(problems.contains(part), "{part} is not in\n{problems}");
    }
    let config = json!({"a": {"variants": [{"name": "x", "pipeline": {"rerank": {"per_category": 0}}}]}});
    let problems = variants(&config).unwrap_err().to_string();
    assert!(problems.contains("x.pipeline.rerank.per_category is 0"), "{problems}");
    let config = json!({"a": {"variants": [{"name": "x", "version": 8}]}});
    assert!(variants(&config).unwrap_err().to_string().contains("a.variants.x.version: there is no v8"));
}

#[test]
fn too_many_pipelines_are_refused() {
    let experiment = |setting: String| json!({"variants": [{"name": "x", "pipeline": {"sources": {setting: {"quota": 1}}}}]});
    let sources = PipelineConfig::default().sources;
    let nine = sources.keys().take(9).map(|name| (name.clone(), experiment(name.clone())));
    let problem = variants(&Value::Object(nine.collect())).unwrap_err();
    assert!(matches!(problem, VariantError::TooMany), "{problem}");
}

#[test]
fn settings_survive_being_patched_with_nothing() {
    assert_eq!(PipelineConfig::default().patched(&Map::new()), Ok(PipelineConfig::default()));
}
