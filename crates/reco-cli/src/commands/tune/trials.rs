//! What a trial is: a configuration with some settings changed, judged on validation data.

use crate::config::Config;
use reco_core::pipeline::RankerName;
use reco_train::progress::Silent;
use reco_train::tune::{Assignment, Candidate, Judgement, Objective, Parts, estimated_bytes};
use serde::Deserialize;
use serde_json::{Value, json};

/// Trials of one configuration over one data set.
pub(super) struct Trials<'a> {
    pub(super) config: &'a Config,
    pub(super) parts: &'a Parts,
}

impl Trials<'_> {
    /// The configuration of a trial.
    ///
    /// # Errors
    ///
    /// What is wrong with its settings.
    pub(super) fn configured(&self, settings: &Assignment) -> Result<Config, String> {
        let told = |problems: Vec<String>| problems.join("; ");
        let config = self.config.patched(settings, "trial").map_err(told)?;
        config.patched(&implied(&config, settings), "trial").map_err(told)
    }

    /// A trial's figures on the test part.
    ///
    /// # Errors
    ///
    /// Why it cannot be judged.
    pub(super) fn on_test(&self, settings: &Assignment) -> Result<Judgement, String> {
        let config = self.configured(settings)?;
        self.parts.on_test(candidate(&config), &Silent).map_err(|error| error.to_string())
    }
}

impl Objective for Trials<'_> {
    fn judge(&self, settings: &Assignment, share: f64) -> Result<Judgement, String> {
        let config = self.configured(settings)?;
        self.parts.on_validation(candidate(&config), share, &Silent).map_err(|error| error.to_string())
    }

    fn bytes(&self, settings: &Assignment, share: f64) -> u64 {
        // What cannot be configured fails at once and takes nothing.
        let config = self.configured(settings);
        config.map_or(0, |config| estimated_bytes(self.parts.searched(), &config.train, share))
    }
}

fn candidate(config: &Config) -> Candidate<'_> {
    Candidate { plan: &config.train, pipeline: &config.pipeline, weights: &config.weights }
}

/// Models that are off by default, each with a source of the same name.
const OPTIONAL: [&str; 5] = ["autoencoder", "bpr", "ease", "sequence", "spectral"];

/// Candidates of a source that a trial switches on without saying how many.
const QUOTA: u64 = 50;

/// What a trial's settings ask for without saying it: a ranker and a source need their model, and a model that a
/// trial chooses needs a quota. A model whose source a trial leaves out need not be fitted.
fn implied(config: &Config, settings: &Assignment) -> Assignment {
    let mut implied = Assignment::new();
    let ranker = settings.get("pipeline.ranker").and_then(|name| RankerName::deserialize(name).ok());
    let model = ranker.and_then(|ranker| ranker.model()).map(|model| format!("train.{model}"));
    if let Some(path) = model.filter(|path| config.is_off(path)) {
        implied.insert(path, json!(true));
    }
    for model in OPTIONAL {
        let (train, quota) = (format!("train.{model}"), format!("pipeline.sources.{model}.quota"));
        let under = format!("{train}.");
        let is_chosen = settings.get(&train).is_some_and(|value| *value != json!(false))
            || settings.keys().any(|path| path.starts_with(&under));
        match settings.get(&quota).and_then(Value::as_u64) {
            Some(0) if !is_chosen && !config.is_off(&train) => {
                implied.insert(train, json!(false));
            }
            Some(1..) if config.is_off(&train) && !settings.contains_key(&train) => {
                implied.insert(train, json!(true));
            }
            None if is_chosen && config.setting(&quota) == Some(json!(0)) => {
                implied.insert(quota, json!(QUOTA));
            }
            _ => {}
        }
    }
    implied
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &Value, expected: &Value) {
        let of = |value: &Value| -> Assignment { serde_json::from_value(value.clone()).unwrap() };
        let config = Config::default().patched(&of(settings), "test").unwrap();
        assert_eq!(implied(&config, &of(settings)), of(expected), "{settings}");
    }

    #[test]
    fn what_is_chosen_is_put_to_use() {
        check(&json!({ "pipeline.ranker": "wide_deep" }), &json!({ "train.wide_deep": true }));
        check(&json!({ "pipeline.ranker": "boosted" }), &json!({ "train.boosted": true }));
        check(&json!({ "pipeline.ranker": "votes" }), &json!({}));
        check(&json!({ "pipeline.sources.ease.quota": 50 }), &json!({ "train.ease": true }));
        check(&json!({ "pipeline.sources.ease.quota": 0 }), &json!({}));
        check(&json!({ "train.ease.regularization": 9.0 }), &json!({ "pipeline.sources.ease.quota": 50 }));
        check(&json!({ "train.ease": false }), &json!({}));
        let both = json!({ "train.ease.regularization": 9.0, "pipeline.sources.ease.quota": 7 });
        check(&both, &json!({}));
    }
}
