//! How many trials fit into memory at once.

use serde::Serialize;
use std::fmt;
use std::fs;
use std::str::FromStr;

/// A number of bytes, as `4GB` or `512MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 7] = [
    ("TIB", 1 << 40),
    ("GIB", 1 << 30),
    ("MIB", 1 << 20),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let written = text.trim().to_uppercase();
        let unit = UNITS.iter().find(|(unit, _)| written.ends_with(unit));
        let read = |(unit, bytes): &(&str, u64)| {
            let number: f64 = written[..written.len() - unit.len()].trim().parse().ok()?;
            (number.is_finite() && number > 0.0).then_some(Self((number * *bytes as f64) as u64))
        };
        unit.and_then(read).ok_or_else(|| "must be a number with a unit, as 4GB, 512MB or 1.5GiB".to_owned())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 as f64 / 1e6 {
            megabytes if megabytes >= 1_000.0 => write!(f, "{:.1} GB", megabytes / 1e3),
            megabytes => write!(f, "{megabytes:.0} MB"),
        }
    }
}

impl Bytes {
    /// What programs may still take before the system runs short; `None` where it does not tell.
    pub fn available() -> Option<Self> {
        of_status("/proc/meminfo", "MemAvailable:")
    }

    /// What this process holds.
    pub(super) fn held() -> Option<Self> {
        of_status("/proc/self/status", "VmRSS:")
    }

    /// The most this process held since [`forget_peak`](Self::forget_peak).
    pub(super) fn peak() -> Option<Self> {
        of_status("/proc/self/status", "VmHWM:")
    }

    /// Begins to measure the peak anew; where the system does not let it, the peak stays that of the whole run.
    pub(super) fn forget_peak() {
        let _ = fs::write("/proc/self/clear_refs", "5");
    }
}

/// A line of Linux's own accounts, in kilobytes there.
fn of_status(file: &str, name: &str) -> Option<Bytes> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(Bytes(kilobytes * 1_024))
}

/// Room for trials, of which each says beforehand what it will about need. The first one runs alone and is measured;
/// after it, estimates are corrected by how far its own was off.
#[derive(Debug)]
pub(super) struct Room {
    limit: Option<Bytes>,
    /// What the process holds without any trial.
    held: u64,
    /// Measured by estimated.
    correction: Option<f64>,
    taken: u64,
    running: usize,
}

/// Whether a trial may begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Admission {
    /// Now; it then holds so many bytes until it leaves.
    Now(u64),
    /// When another one is over.
    Later,
    /// Not within the limit: it needs so much.
    Never(Bytes),
}

impl Room {
    pub(super) fn new(limit: Option<Bytes>) -> Self {
        let held = Bytes::held().map_or(0, |held| held.0);
        Self { limit, held, correction: None, taken: 0, running: 0 }
    }

    /// Asks for room; an estimate of 0 bytes always has it.
    pub(super) fn enter(&mut self, estimate: u64) -> Admission {
        let need = self.need(estimate);
        if let Some(Bytes(limit)) = self.limit {
            if self.held.saturating_add(need) > limit && need > 0 {
                return Admission::Never(Bytes(self.held.saturating_add(need)));
            }
            let is_unmeasured = self.correction.is_none() && need > 0;
            if self.running > 0 && (is_unmeasured || self.held + self.taken + need > limit) {
                return Admission::Later;
            }
        }
        if self.running == 0 && self.correction.is_none() {
            Bytes::forget_peak();
        }
        self.taken += need;
        self.running += 1;
        Admission::Now(need)
    }

    /// Gives room back.
    pub(super) fn leave(&mut self, estimate: u64, need: u64) {
        self.taken -= need;
        self.running -= 1;
        if self.correction.is_none() && estimate > 0 {
            let measured = Bytes::peak().map_or(estimate, |peak| peak.0.saturating_sub(self.held));
            self.correction = Some((measured as f64 / estimate as f64).max(LEAST_CORRECTION));
        }
    }

    /// What a trial of this estimate needs.
    pub(super) fn need(&self, estimate: u64) -> u64 {
        (estimate as f64 * self.correction.unwrap_or(1.0)) as u64
    }

    /// How many trials that need so many bytes fit at once.
    pub(super) fn fitting(&self, need: u64) -> usize {
        let Some(Bytes(limit)) = self.limit else { return usize::MAX };
        limit.saturating_sub(self.held).checked_div(need).map_or(usize::MAX, |n| n as usize).max(1)
    }

    /// Whether a trial has been measured.
    pub(super) fn is_measured(&self) -> bool {
        self.correction.is_some()
    }
}

/// A trial that took next to nothing new, for it found memory that an earlier one had left, still says little.
const LEAST_CORRECTION: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in [
            ("4GB", 4_000_000_000, "4.0 GB"),
            ("1.5 gib", 1_610_612_736, "1.6 GB"),
            ("20mb", 20_000_000, "20 MB"),
        ] {
            let read: Bytes = text.parse().unwrap();
            assert_eq!((read, read.to_string().as_str()), (Bytes(bytes), shown));
        }
        for text in ["", "4", "GB", "-1GB", "infGB", "4 apples"] {
            assert!(text.parse::<Bytes>().unwrap_err().contains("as 4GB"), "{text}");
        }
    }

    #[test]
    fn nothing_begins_that_does_not_fit() {
        let room = |correction| Room { limit: Some(Bytes(100)), held: 20, correction, taken: 0, running: 0 };
        let mut measured = room(Some(2.0));
        assert_eq!(measured.enter(20), Admission::Now(40));
        assert_eq!(measured.enter(20), Admission::Now(40));
        assert_eq!(measured.enter(1), Admission::Later);
        assert_eq!(measured.enter(41), Admission::Never(Bytes(102)));
        measured.leave(20, 40);
        assert_eq!(measured.enter(15), Admission::Now(30));
        let mut first = room(None);
        assert_eq!((first.enter(10), first.enter(10)), (Admission::Now(10), Admission::Later));
        let mut endless = Room { limit: None, ..room(None) };
        assert_eq!((endless.enter(500), endless.enter(500)), (Admission::Now(500), Admission::Now(500)));
    }
}
