//! Names for requests and for events that come without one, and how long names may be.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use reco_core::event::EventId;
use reco_core::time::Timestamp;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Carries the request's id, in both directions.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken from a client; longer ones would fill logs.
const LONGEST: usize = 128;

/// The id of one request: the client's own if it is a plain word, else a new one.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Gives out ids that are unique across processes: a word drawn at start and a count.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    process: u64,
    next: Arc<AtomicU64>,
}

impl Default for Ids {
    fn default() -> Self {
        // The standard library seeds its hashers from the system's randomness.
        Self { process: RandomState::new().hash_one("process"), next: Arc::default() }
    }
}

impl Ids {
    pub(crate) fn request(&self, headers: &HeaderMap) -> RequestId {
        let own = headers.get(HEADER).filter(|id| is_plain(id.as_bytes()));
        RequestId(own.cloned().unwrap_or_else(|| {
            let text = format!("{:016x}-{:08x}", self.process, self.count());
            HeaderValue::try_from(text).expect("hexadecimal digits are a valid header")
        }))
    }

    /// Never taken from the request: a proxy may put one id on many of them, and equal ids count once.
    pub(crate) fn event(&self, now: Timestamp) -> EventId {
        EventId::v7(now, u128::from(self.process) << 32 | u128::from(self.count() as u32))
    }

    fn count(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

fn is_plain(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_taken_over() {
        let long = "x".repeat(LONGEST + 1);
        for (id, taken) in
            [("4bf92f35-77b3", true), ("", false), ("a b", false), ("a\"b", false), (&long, false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(id).unwrap());
            assert_eq!(Ids::default().request(&headers).as_str() == id, taken, "{id}");
        }
    }

    #[test]
    fn ids_differ() {
        let ids = Ids::default();
        let now = Timestamp::default();
        assert_ne!(ids.event(now), ids.event(now));
        assert_ne!(ids.event(now), Ids::default().event(now), "of another process");
        assert_ne!(ids.request(&HeaderMap::new()).as_str(), ids.request(&HeaderMap::new()).as_str());
    }
}
