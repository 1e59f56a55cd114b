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
    own.into_iter().filter_map(differs).collect()
}

fn tidy(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Float(number) => shortest(number).into(),
        toml::Value::Array(list) => list.into_iter().map(tidy).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(name, value)| (name, tidy(value))).collect::<toml::Table>().into()
        }
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
