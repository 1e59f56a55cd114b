//! A sample of the latest requests.

use crate::request::Request;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests kept.
const SIZE: usize = 100;
/// Of this many requests one is kept once the sample is full.
const EVERY: u64 = 4;

/// A reservoir in which the old gives way to the new: each request kept takes the place of one drawn at random, so
/// that the chance to be still there falls exponentially with age (Aggarwal, "On Biased Reservoir Sampling in the
/// Presence of Stream Evolution", VLDB 2006). The draws depend on nothing but the number of requests.
#[derive(Debug, Default)]
pub(super) struct Recent {
    n_seen: AtomicU64,
    kept: Mutex<Vec<Request>>,
}

impl Recent {
    pub(super) fn note(&self, request: &Request) {
        let number = self.n_seen.fetch_add(1, Ordering::Relaxed);
        if number >= SIZE as u64 && !number.is_multiple_of(EVERY) {
            return;
        }
        // Nobody waits for a sample.
        let Some(mut kept) = self.kept.try_lock() else { return };
        if kept.len() < SIZE {
            kept.push(request.clone());
        } else {
            kept[drawn(number)] = request.clone();
        }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.kept.lock().clone()
    }
}

/// A place in the sample; multiplying by an odd constant spreads numbers (Knuth's multiplicative hashing).
fn drawn(number: u64) -> usize {
    ((number / EVERY).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_bounded_and_mostly_of_late() {
        let recent = Recent::default();
        for number in 0..10_000 {
            recent.note(&Request::for_user(format!("{number}")));
        }
        let kept: Vec<u32> =
            recent.requests().iter().map(|request| request.user.as_str().parse().unwrap()).collect();
        assert_eq!(kept.len(), SIZE);
        let late = kept.iter().filter(|&&number| number >= 9_000).count();
        assert!(late > SIZE * 3 / 4, "{late}");
        assert!(kept.iter().any(|&number| number < 9_900), "not only the very latest");
    }
}
