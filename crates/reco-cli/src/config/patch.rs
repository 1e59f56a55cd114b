//! A configuration with some of its settings changed, checked as one that somebody wrote.

use super::{Config, mistakes};
use figment::Figment;
use figment::providers::Serialized;
use figment::value::Value;

impl Config {
    /// This configuration with values by path, as `train.als.factors`; later ones win.
    ///
    /// # Errors
    ///
    /// All that is wrong with these values, one line each; `origin` says where they were said.
    pub(crate) fn patched<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a String, &'a serde_json::Value)>,
        origin: &str,
    ) -> Result<Self, Vec<String>> {
        let mut figment = Figment::from(Serialized::defaults(self));
        let mut problems = Vec::new();
        for (path, value) in values {
            let set = Serialized::default(path, value.clone());
            match figment.clone().merge(set.clone()).extract::<Self>() {
                Ok(_) => figment = figment.merge(set),
                Err(error) => problems.extend(mistakes(path, value.as_str(), origin, error)),
            }
        }
        match figment.extract::<Self>() {
            Ok(config) if problems.is_empty() => {
                let problems = config.problems();
                if problems.is_empty() { Ok(config) } else { Err(problems) }
            }
            Ok(_) => Err(problems),
            Err(error) => Err(error.into_iter().map(|error| error.to_string()).collect()),
        }
    }

    /// The value of a setting, by its path; `None` where there is no such setting now.
    pub(crate) fn setting(&self, path: &str) -> Option<serde_json::Value> {
        let value = Value::serialize(self).ok()?;
        let mut value = serde_json::to_value(value.find_ref(path)?).ok()?;
        if let Some(number) = value.as_f64().filter(|_| value.is_f64()) {
            value = shortest(number).into();
        }
        Some(value)
    }

    /// Whether what this path switches on is off, or not there.
    pub(crate) fn is_off(&self, path: &str) -> bool {
        self.setting(path).is_none_or(|value| value == serde_json::Value::Bool(false))
    }

    /// What differs from the defaults, as TOML that `--config` takes.
    pub(crate) fn beyond_defaults(&self) -> Result<String, toml::ser::Error> {
        let (own, usual) = (toml::Table::try_from(self)?, toml::Table::try_from(Self::default())?);
        toml::to_string(&beyond(own, &usual))
    }
}

/// The entries of a table that another one does not have alike.
fn beyond(own: toml::Table, usual: &toml::Table) -> toml::Table {
    let differs = |(name, value): (String, toml::Value)| match (value, usual.get(&name)) {
        (toml::Value::Table(own), Some(toml::Value::Table(usual))) => {
            let inner = beyond(own, usual);
            (!inner.is_empty()).then_some((name, inner.into()))
        }
        (value, usual) => (Some(&value) != usual).then(|| (name, tidy(value))),
    };
    let is_empty = |value: &toml::Value| value.as_table().is_some_and(toml::Table::is_empty);
    own.into_iter().filter_map(differs).filter(|(_, value)| !is_empty(value)).collect()
}

fn tidy(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Float(number) => shortest(number).into(),
        toml::Value::Array(list) => list.into_iter().map(tidy).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => beyond(table, &toml::Table::new()).into(),
        other => other,
    }
}

/// What a number of single precision was written as: 0.005, not 0.004999999888241291.
fn shortest(number: f64) -> f64 {
    let single = number as f32;
    if f64::from(single).total_cmp(&number).is_eq() {
        single.to_string().parse().unwrap_or(number)
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(values: &serde_json::Value) -> Result<Config, Vec<String>> {
        Config::default().patched(values.as_object().unwrap(), "trial")
    }

    #[test]
    fn what_differs_from_the_defaults_makes_the_same_configuration() {
        let values = json!({
            "train.als.regularization": 0.0213, "train.als.factors": 48, "train.ease.regularization": 70.5,
            "train.content": false, "pipeline.sources.ease.quota": 50, "pipeline.seen": { "within_days": 3.0 },
            "weights.view": 0.7,
        });
        let config = patched(&values).unwrap();
        let text = config.beyond_defaults().unwrap();
        assert!(text.contains("regularization = 0.0213\n") && !text.contains("iterations"), "{text}");
        let again: serde_json::Value = toml::from_str(&text).unwrap();
        assert_eq!(patched(&again).unwrap(), config, "{text}");
        assert_eq!(Config::default().beyond_defaults().unwrap(), "");
    }

    #[test]
    fn settings_are_read_as_they_were_written() {
        let config = Config::default();
        assert_eq!(config.setting("train.als.regularization"), Some(json!(0.005)));
        assert_eq!(config.setting("train.ease"), Some(json!(false)));
        assert_eq!(config.setting("train.ease.regularization"), None);
    }

    #[test]
    fn all_mistakes_of_a_patch_are_told() {
        let told =
            patched(&json!({ "train.als.factor": 1, "pipeline.ranker": "best" })).unwrap_err().join("\n");
        assert!(
            told.contains("train.als.factor (trial): there is no") && told.contains("is \"best\""),
            "{told}"
        );
        let told = patched(&json!({ "train.als.factors": 0 })).unwrap_err().join("\n");
        assert!(told.contains("train.als.factors is 0"), "{told}");
    }
}
