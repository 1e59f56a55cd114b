//! Settings that can be switched off: `false` in configuration, `None` here.

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// Writes `false` for what is off, so that a list of all settings shows what there is.
///
/// # Errors
///
/// What the serializer says.
pub fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_bool(false),
    }
}

/// Reads `false` as off, `true` as on with the defaults where `T` has some, anything else as `T`.
///
/// # Errors
///
/// What `T` says of a value that does not fit.
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Switch(PhantomData))
}

struct Switch<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Switch<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or false")
    }

    fn visit_bool<E: Error>(self, is_on: bool) -> Result<Option<T>, E> {
        if !is_on {
            return Ok(None);
        }
        // A table of which every field has a default takes an empty one.
        let empty = serde::de::value::MapDeserializer::new(std::iter::empty::<(&str, &str)>());
        T::deserialize(empty).map(Some)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<T>, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<T>, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<T>, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Option<T>, E> {
        T::deserialize(StrDeserializer::new(value)).map(Some)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Model {
        factors: u32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Config {
        #[serde(with = "super")]
        cap: Option<u32>,
        #[serde(with = "super")]
        gain: Option<f32>,
        #[serde(with = "super")]
        model: Option<Model>,
        #[serde(with = "super")]
        only: Option<String>,
    }

    #[test]
    fn what_is_written_is_read_back() {
        let all_on = Config {
            cap: Some(3),
            gain: Some(0.5),
            model: Some(Model { factors: 8 }),
            only: Some("price < 3".into()),
        };
        let all_off = Config { cap: None, gain: None, model: None, only: None };
        for config in [all_on, all_off] {
            let written = serde_json::to_value(&config).unwrap();
            assert_eq!(serde_json::from_value::<Config>(written).unwrap(), config);
        }
    }

    #[test]
    fn true_means_the_defaults_and_mistakes_are_named() {
        let read = |model| {
            let config = json!({ "cap": false, "gain": 1, "model": model, "only": false });
            serde_json::from_value::<Config>(config).map(|config| config.model)
        };
        assert_eq!(read(json!(true)).unwrap(), Some(Model::default()));
        assert!(read(json!({ "factor": 8 })).unwrap_err().to_string().contains("unknown field `factor`"));
        assert!(read(json!(8)).is_err());
    }
}
