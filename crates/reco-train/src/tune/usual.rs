//! Spaces to search where none is named: what changes pages most, around values that are good on many data sets.

use super::space::Space;
use serde_json::{Map, Value, json};

/// The usual space of a model; `None` for one that has nothing to tune.
pub fn usual_space(model: &str) -> Option<Space> {
    let space = match model {
        "pipeline" => pipeline(),
        "blend" => together(&["ials", "item-knn", "sequence"]),
        model => one(model)?,
    };
    let Value::Object(written) = space else { return None };
    // A test reads them all.
    Space::read(&written).ok()
}

fn pipeline() -> Value {
    json!({
        "train.als.factors": { "min": 32, "max": 160, "log": true },
        "train.als.regularization": { "min": 0.0005, "max": 0.05, "log": true },
        "train.als.unobserved_weight": { "min": 0.05, "max": 1.0, "log": true },
        "train.item_item.weighting": ["cosine", "tf_idf", "bm25", "graph"],
        "train.item_item.shrinkage": { "min": 1.0, "max": 100.0, "log": true },
        "train.popular.window_days": { "min": 14.0, "max": 365.0, "log": true },
        "train.trend_half_life_days": { "min": 2.0, "max": 30.0, "log": true },
        "train.blend.held_out": [0.05, 0.1, 0.2],
        "pipeline.again.half_life_days": { "min": 10.0, "max": 120.0, "log": true },
        "pipeline.sources.ease.quota": [0, 50, 100],
        "pipeline.sources.item_item.quota": [50, 100],
        "pipeline.sources.sequence.quota": [0, 50],
        "pipeline.ranker": ["blend", "votes"],
    })
}

fn one(model: &str) -> Option<Value> {
    Some(match model {
        "ials" => json!({
            "train.als.factors": { "min": 16, "max": 192, "log": true },
            "train.als.iterations": { "min": 4, "max": 24 },
            "train.als.regularization": { "min": 0.0005, "max": 0.1, "log": true },
            "train.als.unobserved_weight": { "min": 0.02, "max": 1.0, "log": true },
            "train.als.frequency_exponent": { "min": 0.0, "max": 1.0 },
        }),
        "item-knn" => json!({
            "train.item_item.neighbors": { "min": 20, "max": 1000, "log": true },
            "train.item_item.weighting": ["cosine", "tf_idf", "bm25", "graph"],
            "train.item_item.shrinkage": { "min": 0.5, "max": 200.0, "log": true },
        }),
        "ease" => json!({
            "train.ease.regularization": { "min": 20.0, "max": 5000.0, "log": true },
            "train.ease.neighbors": { "min": 100, "max": 4000, "log": true },
        }),
        "bpr" => json!({
            "train.bpr.factors": { "min": 16, "max": 192, "log": true },
            "train.bpr.epochs": { "min": 10, "max": 80, "log": true },
            "train.bpr.learning_rate": { "min": 0.01, "max": 0.2, "log": true },
            "train.bpr.regularization": { "min": 0.001, "max": 0.1, "log": true },
            "train.bpr.candidates": { "min": 1, "max": 32, "log": true },
        }),
        "sequence" => json!({
            "train.sequence.neighbors": { "min": 20, "max": 500, "log": true },
            "train.sequence.window": { "min": 1, "max": 50, "log": true },
            "train.sequence.decay": { "min": 0.3, "max": 1.0 },
            "train.sequence.shrinkage": { "min": 0.5, "max": 50.0, "log": true },
        }),
        "spectral" => json!({ "train.spectral.dimensions": { "min": 16, "max": 512, "log": true } }),
        "autoencoder" => json!({
            "train.autoencoder.width": { "min": 50, "max": 400, "log": true },
            "train.autoencoder.epochs": { "min": 30, "max": 200, "log": true },
            "train.autoencoder.learning_rate": { "min": 0.0003, "max": 0.005, "log": true },
            "train.autoencoder.input_dropout": { "min": 0.1, "max": 0.8 },
        }),
        "two_tower" => json!({
            "train.two_tower.epochs": { "min": 3, "max": 20, "log": true },
            "train.two_tower.learning_rate": { "min": 0.0005, "max": 0.01, "log": true },
            "train.two_tower.temperature": { "min": 0.03, "max": 0.3, "log": true },
            "train.two_tower.history": { "min": 5, "max": 50, "log": true },
        }),
        "content" => json!({
            "train.content.neighbors": { "min": 10, "max": 200, "log": true },
            "train.content.terms.max_share": { "min": 0.05, "max": 1.0, "log": true },
        }),
        "trending" => json!({ "train.trend_half_life_days": { "min": 0.5, "max": 90.0, "log": true } }),
        "again" => json!({
            "pipeline.again.half_life_days": { "min": 5.0, "max": 200.0, "log": true },
            "pipeline.again.lasting_share": { "min": 0.0, "max": 1.0 },
            "pipeline.again.count_exponent": { "min": 0.0, "max": 2.0 },
            "pipeline.again.due_gain": { "min": 0.0, "max": 1.0 },
            "pipeline.again.repeat_exponent": { "min": 0.0, "max": 1.5 },
        }),
        _ => return None,
    })
}

fn together(models: &[&str]) -> Value {
    let of = |model: &&str| match one(model) {
        Some(Value::Object(space)) => space,
        _ => Map::new(),
    };
    Value::Object(models.iter().flat_map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::MODELS;

    #[test]
    fn every_model_with_settings_has_a_space() {
        let without: Vec<&str> = MODELS.into_iter().filter(|model| usual_space(model).is_none()).collect();
        assert_eq!(without, ["popularity", "acclaim", "frequency", "random"]);
    }
}
