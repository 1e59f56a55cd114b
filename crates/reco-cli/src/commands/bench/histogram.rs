//! Latencies as a histogram, for people and machines.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Latencies from 1 ns to 60 s, three significant digits.
#[derive(Debug)]
pub(super) struct Latencies(Histogram<u64>);

/// What a run came to, in microseconds and seconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) requests: u64,
    pub(super) failures: u64,
    pub(super) seconds: f64,
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p90_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    pub(super) max_us: f64,
}

impl Latencies {
    const LONGEST_NS: u64 = 60_000_000_000;

    pub(super) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, Self::LONGEST_NS, 3).expect("the bounds are valid"))
    }

    pub(super) fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(Self::LONGEST_NS);
        self.0.saturating_record(nanos);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    pub(super) fn summary(&self, took: Duration, failures: u64) -> Summary {
        let quantile = |q| self.0.value_at_quantile(q) as f64 / 1_000.0;
        let requests = self.0.len();
        Summary {
            requests,
            failures,
            seconds: took.as_secs_f64(),
            per_second: requests as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: self.0.max() as f64 / 1_000.0,
        }
    }

    /// Share of requests per power-of-two step of latency, as bars.
    pub(super) fn bars(&self) -> String {
        let mut lines = String::new();
        for step in self.0.iter_log(1_000, 2.0).skip_while(|step| step.count_since_last_iteration() == 0) {
            let share = step.count_since_last_iteration() as f64 / self.0.len().max(1) as f64;
            let upper = step.value_iterated_to() as f64 / 1_000.0;
            let bar = "\u{2588}".repeat((share * 50.0).round() as usize);
            lines.push_str(&format!("  <= {upper:>9.0} us {:>6.2} % {bar}\n", share * 100.0));
        }
        lines
    }
}
