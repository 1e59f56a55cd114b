//! Pauses between repetitions.

use crate::config::RetryConfig;
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::time::Duration;

/// Exponential back-off with full jitter; see [`RetryConfig`].
#[derive(Debug)]
pub(crate) struct Backoff {
    retry: RetryConfig,
    random: Mutex<Pcg64Mcg>,
}

impl Backoff {
    pub(crate) fn new(retry: RetryConfig, seed: u64) -> Self {
        Self { retry, random: Mutex::new(Pcg64Mcg::seed_from_u64(seed)) }
    }

    /// The pause before the given repetition, the first being 1; `None` if that is one too many.
    pub(crate) fn pause(&self, repetition: u32) -> Option<Duration> {
        (repetition < self.retry.attempts).then(|| {
            let longest = self.retry.base_ms.saturating_mul(1 << (repetition - 1).min(32));
            let micros = longest.min(self.retry.cap_ms) * 1_000;
            Duration::from_micros(self.random.lock().random_range(0..=micros))
        })
    }

    /// A number that nobody else has, for what must be told apart when a call comes twice.
    pub(crate) fn token(&self) -> u64 {
        self.random.lock().random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pauses_grow_up_to_the_cap(seed: u64, base_ms in 0u64..1_000, cap_ms in 1_000u64..5_000) {
            let backoff = Backoff::new(RetryConfig { attempts: 50, base_ms, cap_ms }, seed);
            for repetition in 1..50 {
                let longest = (base_ms << repetition.min(20) >> 1).min(cap_ms);
                prop_assert!(backoff.pause(repetition).unwrap() <= Duration::from_millis(longest));
            }
            prop_assert_eq!(backoff.pause(50), None);
        }
    }

    #[test]
    fn all_of_the_range_is_used() {
        let backoff = Backoff::new(RetryConfig { attempts: 2, base_ms: 100, cap_ms: 100 }, 7);
        let pauses: Vec<Duration> = (0..1_000).filter_map(|_| backoff.pause(1)).collect();
        assert!(pauses.iter().any(|pause| *pause < Duration::from_millis(5)));
        assert!(pauses.iter().any(|pause| *pause > Duration::from_millis(95)));
    }
}
