//! Where users stand between 0 and 1, and how that range is divided: bit for bit as GrowthBook's SDKs do, so that a web
//! front end with one of them puts its visitors where the server does.
//!
//! Source: GrowthBook, "Build your own SDK", specification 0.8; the functions carry the names of its cases.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Which hash of GrowthBook's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum HashVersion {
    /// n = fnv1a32(value + seed) mod 1,000 / 1,000. Places of one value under similar seeds resemble each other.
    V1,
    /// n = fnv1a32(str(fnv1a32(seed + value))) mod 10,000 / 10,000.
    #[default]
    V2,
}

impl HashVersion {
    /// The place of a value, from 0 to below 1.
    ///
    /// ```
    /// use reco_core::experiment::HashVersion;
    ///
    /// assert_eq!(HashVersion::V2.place("seed", "a"), 0.0505);
    /// assert_eq!(HashVersion::V1.place("b", "a"), 0.946);
    /// ```
    pub fn place(self, seed: &str, value: &str) -> f64 {
        match self {
            Self::V1 => f64::from(fnv1a([value, seed]) % 1_000) / 1_000.0,
            Self::V2 => f64::from(fnv1a([&fnv1a([seed, value]).to_string()]) % 10_000) / 10_000.0,
        }
    }
}

impl TryFrom<u8> for HashVersion {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            1 => Ok(Self::V1),
            2 => Ok(Self::V2),
            other => Err(format!("there is no hash version {other}; there are 1 and 2")),
        }
    }
}

impl From<HashVersion> for u8 {
    fn from(version: HashVersion) -> Self {
        match version {
            HashVersion::V1 => 1,
            HashVersion::V2 => 2,
        }
    }
}

/// FNV-1a in 32 bits over UTF-16 code units, as JavaScript sees a text: what is not ASCII would hash differently as UTF-8.
fn fnv1a<const N: usize>(texts: [&str; N]) -> u32 {
    let units = texts.into_iter().flat_map(str::encode_utf16);
    units.fold(0x811c_9dc5, |hash, unit| (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193))
}

/// The same share for each of `n` variants.
///
/// ```
/// use reco_core::experiment::equal_weights;
///
/// assert_eq!(equal_weights(4), [0.25; 4]);
/// ```
pub fn equal_weights(n: usize) -> Vec<f64> {
    vec![1.0 / n as f64; n]
}

/// The parts of 0..1 that belong to `n` variants: each takes in the first `coverage` of its share, so that a coverage which
/// grows moves nobody who is in.
///
/// As the specification asks, nothing is refused: a coverage outside of 0 to 1 counts as the nearer of the two, and without a
/// weight for each variant, or with weights whose sum is not between 0.99 and 1.01, all shares are equal.
///
/// ```
/// use reco_core::experiment::bucket_ranges;
///
/// assert_eq!(bucket_ranges(2, 0.5, None), [0.0..0.25, 0.5..0.75]);
/// assert_eq!(bucket_ranges(2, 1.0, Some(&[0.4, 0.6])), [0.0..0.4, 0.4..1.0]);
/// ```
pub fn bucket_ranges(n: usize, coverage: f64, weights: Option<&[f64]>) -> Vec<Range<f64>> {
    let sound = |weights: &&[f64]| {
        let total: f64 = weights.iter().sum();
        weights.len() == n && (0.99..=1.01).contains(&total)
    };
    let weights = weights.filter(sound).map_or_else(|| equal_weights(n), <[f64]>::to_vec);
    // A coverage that is no number counts as none.
    let coverage = if coverage > 0.0 { coverage.min(1.0) } else { 0.0 };
    let mut start = 0.0;
    let range = |weight: f64| {
        let range = start..start + coverage * weight;
        start += weight;
        range
    };
    weights.into_iter().map(range).collect()
}

/// The first variant whose part holds the place; `None` outside of all.
///
/// ```
/// use reco_core::experiment::choose_variation;
///
/// assert_eq!(choose_variation(0.6, &[0.0..0.25, 0.5..0.75]), Some(1));
/// assert_eq!(choose_variation(0.4, &[0.0..0.25, 0.5..0.75]), None);
/// ```
pub fn choose_variation(place: f64, ranges: &[Range<f64>]) -> Option<usize> {
    ranges.iter().position(|range| range.contains(&place))
}

/// Whether a value's place in a namespace, which has a hash of its own, is within a range of it. Experiments in ranges of one
/// namespace that do not overlap never have a user in common.
///
/// ```
/// use reco_core::experiment::in_namespace;
///
/// assert!(in_namespace("1", "namespace1", &(0.4..1.0)) && !in_namespace("1", "namespace1", &(0.0..0.4)));
/// ```
pub fn in_namespace(value: &str, namespace: &str, range: &Range<f64>) -> bool {
    range.contains(&HashVersion::V1.place(&format!("__{namespace}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const CASES: &str = include_str!("../../tests/vectors/assignment.json");

    /// Cases of the specification by the name of the function.
    fn cases<T: serde::de::DeserializeOwned>(name: &str) -> Vec<T> {
        let mut all: Value = serde_json::from_str(CASES).unwrap();
        let cases: Vec<T> = serde_json::from_value(all[name].take()).unwrap();
        assert!(!cases.is_empty(), "{name}");
        cases
    }

    fn ranges(pairs: &[(f64, f64)]) -> Vec<Range<f64>> {
        pairs.iter().map(|&(start, end)| start..end).collect()
    }

    #[test]
    fn hashes_as_specified() {
        for (seed, value, version, place) in cases::<(String, String, u8, Option<f64>)>("hash") {
            let found = HashVersion::try_from(version).ok().map(|version| version.place(&seed, &value));
            assert_eq!(found, place, "{seed} {value} {version}");
        }
    }

    #[test]
    fn hashes_what_is_not_ascii_as_javascript_does() {
        for (seed, value, version, place) in cases::<(String, String, u8, f64)>("hash beyond ASCII") {
            let version = HashVersion::try_from(version).unwrap();
            assert_eq!(version.place(&seed, &value).to_bits(), place.to_bits(), "{seed} {value}");
        }
    }

    #[test]
    fn divides_as_specified() {
        type Case = (String, (usize, f64, Option<Vec<f64>>), Vec<(f64, f64)>);
        for (name, (n, coverage, weights), expected) in cases::<Case>("getBucketRange") {
            let found = bucket_ranges(n, coverage, weights.as_deref());
            let same = |(a, b): (&Range<f64>, &Range<f64>)| {
                (a.start - b.start).abs() < 1e-9 && (a.end - b.end).abs() < 1e-9
            };
            assert!(
                found.len() == expected.len() && found.iter().zip(&ranges(&expected)).all(same),
                "{name}: {found:?}"
            );
        }
    }

    #[test]
    fn chooses_as_specified() {
        for (name, place, parts, expected) in cases::<(String, f64, Vec<(f64, f64)>, i64)>("chooseVariation")
        {
            let found = choose_variation(place, &ranges(&parts)).map_or(-1, |variant| variant as i64);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn namespaces_are_as_specified() {
        for (name, value, (namespace, from, to), expected) in
            cases::<(String, String, (String, f64, f64), bool)>("inNamespace")
        {
            assert_eq!(in_namespace(&value, &namespace, &(from..to)), expected, "{name}");
        }
    }

    #[test]
    fn equal_weights_are_as_specified() {
        for (n, expected) in cases::<(i64, Vec<f64>)>("getEqualWeights") {
            let found = equal_weights(n.try_into().unwrap_or(0));
            assert!(found.len() == expected.len(), "{n}");
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-8), "{n}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn a_coverage_that_grows_moves_nobody_who_is_in(
            value in ".{0,12}",
            n in 1..6usize,
            less in 0.0f64..=1.0,
            more in 0.0f64..=1.0,
        ) {
            let at = |coverage| {
                choose_variation(HashVersion::V2.place("ramp", &value), &bucket_ranges(n, coverage, None))
            };
            if let Some(variant) = at(less.min(more)) {
                prop_assert_eq!(at(less.max(more)), Some(variant));
            }
        }

        #[test]
        fn ranges_of_one_namespace_have_nobody_in_common(value in ".{0,12}", cut in 0.0f64..=1.0) {
            let (low, high) = (in_namespace(&value, "n", &(0.0..cut)), in_namespace(&value, "n", &(cut..1.0)));
            prop_assert!(low != high);
        }
    }
}
