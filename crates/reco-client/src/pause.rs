//! Pauses between repetitions.

use crate::config::ClientConfig;
use rand::RngExt;
use std::time::Duration;

/// What the server asks for is believed up to here: a slip in a proxy must not silence a client for days.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// Exponential with full jitter: any pause up to one that doubles with every failure, so that clients that failed
/// together do not come back together. What the server asked for comes on top, for the same reason.
pub(crate) fn pause(
    config: &ClientConfig,
    failures: u32,
    asked: Option<Duration>,
    random: &mut impl rand::Rng,
) -> Duration {
    let longest = config.base_ms.saturating_mul(1 << failures.min(32)).min(config.cap_ms);
    let own = Duration::from_micros(random.random_range(0..=longest.saturating_mul(1_000)));
    asked.unwrap_or_default().min(LONGEST_ASKED) + own
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    proptest! {
        #[test]
        fn pauses_double_up_to_the_cap(
            seed: u64,
            base_ms in 1u64..1_000,
            cap_ms in 1_000u64..9_000,
            failures in 0u32..80,
            asked in 0u64..9_000_000,
        ) {
            let config = ClientConfig { base_ms, cap_ms, ..ClientConfig::default() };
            let mut random = Pcg64::seed_from_u64(seed);
            let own = pause(&config, failures, None, &mut random.clone());
            prop_assert!(own <= Duration::from_millis((base_ms << failures.min(20)).min(cap_ms)));
            let asked = Duration::from_millis(asked);
            prop_assert_eq!(pause(&config, failures, Some(asked), &mut random), own + asked.min(LONGEST_ASKED));
        }
    }

    #[test]
    fn all_of_the_range_is_used() {
        let config = ClientConfig { base_ms: 100, cap_ms: 100, ..ClientConfig::default() };
        let mut random = Pcg64::seed_from_u64(7);
        let pauses: Vec<_> = (0..1_000).map(|_| pause(&config, 0, None, &mut random).as_millis()).collect();
        assert!(pauses.iter().any(|millis| *millis < 5) && pauses.iter().any(|millis| *millis > 95));
    }
}
