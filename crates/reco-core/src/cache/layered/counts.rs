//! How often each layer had what was asked for.

use crate::cache::CacheCounts;
use crate::cache::hits::HitCounter;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was found where, since the cache was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LayerCounts {
    /// In this process.
    pub near: CacheCounts,
    /// In the shared cache; nothing where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub far: Option<CacheCounts>,
    /// Values made.
    pub made: u64,
    /// Of those who asked, how many waited for a value that was being made for somebody else.
    pub joined: u64,
    /// Times a stale value had to do.
    pub stale: u64,
    /// Times a value could not be made.
    pub failed: u64,
    /// Times the shared cache did not answer.
    pub far_failed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) near: HitCounter,
    pub(super) far: HitCounter,
    made: AtomicU64,
    joined: AtomicU64,
    stale: AtomicU64,
    failed: AtomicU64,
    far_failed: AtomicU64,
}

impl Counters {
    pub(super) fn made(&self) {
        add_one(&self.made);
    }

    pub(super) fn joined(&self) {
        add_one(&self.joined);
    }

    pub(super) fn stale(&self) {
        add_one(&self.stale);
    }

    pub(super) fn failed(&self) {
        add_one(&self.failed);
    }

    pub(super) fn far_failed(&self) {
        add_one(&self.far_failed);
    }

    pub(super) fn counts(&self, has_far: bool) -> LayerCounts {
        LayerCounts {
            near: self.near.counts(),
            far: has_far.then(|| self.far.counts()),
            made: read(&self.made),
            joined: read(&self.joined),
            stale: read(&self.stale),
            failed: read(&self.failed),
            far_failed: read(&self.far_failed),
        }
    }
}

fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
