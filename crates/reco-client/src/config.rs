//! Where the server is, and how events are sent there.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where the server is, and how events are sent there.
///
/// ```
/// use reco_client::ClientConfig;
///
/// let config: ClientConfig = serde_json::from_str(r#"{"url": "http://reco:8080", "batch_events": 0}"#)?;
/// assert_eq!(config.problems(), ["batch_events is 0, must be at least 1"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientConfig {
    /// The server, such as `http://reco:8080`; a path is what its routes begin with.
    pub url: String,
    /// Events that are sent without waiting for more.
    pub batch_events: usize,
    /// Milliseconds after which events are sent however few they are.
    pub batch_ms: u64,
    /// Most events of a request, at most the server's `http.max_events`.
    pub most_events: usize,
    /// Most bytes of a request, at most the server's `http.body_limit_bytes`.
    pub most_bytes: u32,
    /// Most bytes of events that wait or are under way, as JSON and 64 more for each.
    pub buffer_bytes: u32,
    /// Milliseconds in which a connection must be made.
    pub connect_ms: u64,
    /// Milliseconds in which the server must answer.
    pub answer_ms: u64,
    /// Longest pause before the first repetition, in milliseconds; it doubles each time.
    pub base_ms: u64,
    /// Longest pause before any repetition, in milliseconds, unless the server asks for a longer one.
    pub cap_ms: u64,
    /// Milliseconds for which events are still sent after the client was dropped without being closed.
    pub drop_ms: u64,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8080".to_owned(),
            batch_events: 10,
            batch_ms: 5_000,
            most_events: 1_000,
            most_bytes: 1 << 20,
            buffer_bytes: 4 << 20,
            connect_ms: 2_000,
            answer_ms: 15_000,
            base_ms: 200,
            cap_ms: 30_000,
            drop_ms: 5_000,
        }
    }
}

impl ClientConfig {
    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let at_least_one = [
            ("batch_events", self.batch_events as u64),
            ("most_events", self.most_events as u64),
            ("connect_ms", self.connect_ms),
            ("answer_ms", self.answer_ms),
            ("base_ms", self.base_ms),
        ];
        let zeros = at_least_one.iter().filter(|(_, value)| *value == 0);
        let mut problems: Vec<String> =
            zeros.map(|(name, _)| format!("{name} is 0, must be at least 1")).collect();
        for (name, bytes) in [("most_bytes", self.most_bytes), ("buffer_bytes", self.buffer_bytes)] {
            if bytes < 1_024 {
                problems.push(format!("{name} is {bytes}, must be at least 1024"));
            }
        }
        if self.cap_ms < self.base_ms {
            problems.push(format!("cap_ms is {}, must be at least base_ms, {}", self.cap_ms, self.base_ms));
        }
        problems
    }

    pub(crate) fn batch_wait(&self) -> Duration {
        Duration::from_millis(self.batch_ms)
    }

    pub(crate) fn answer_within(&self) -> Duration {
        Duration::from_millis(self.answer_ms)
    }
}

/// The client cannot work like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct ConfigError {
    /// Everything that is wrong, one line each.
    pub problems: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_in_the_documentation() {
        let docs = include_str!("../../../docs/clients.md");
        let defaults = serde_json::to_value(ClientConfig::default()).unwrap();
        for name in defaults.as_object().unwrap().keys() {
            assert!(docs.contains(&format!("`{name}`")), "docs/clients.md lacks {name}");
        }
        assert_eq!(ClientConfig::default().problems(), [""; 0]);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let config = ClientConfig {
            answer_ms: 0,
            most_bytes: 1,
            buffer_bytes: 2,
            cap_ms: 1,
            ..ClientConfig::default()
        };
        let told = ConfigError { problems: config.problems() }.to_string();
        assert_eq!(
            told,
            "answer_ms is 0, must be at least 1; most_bytes is 1, must be at least 1024; \
             buffer_bytes is 2, must be at least 1024; cap_ms is 1, must be at least base_ms, 200"
        );
    }
}
