//! Settings of the server.

use serde::{Deserialize, Serialize};

/// Where the server listens and what it accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address or name of this machine, and port.
    pub listen: String,
    /// Largest request body, at least 1,024 bytes.
    pub body_limit_bytes: usize,
    /// Most events in one request, at least 1.
    pub max_events: usize,
    /// Time after which a request is given up, at least 1 ms.
    pub timeout_ms: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            body_limit_bytes: 1 << 20,
            max_events: 1_000,
            timeout_ms: 10_000,
        }
    }
}

impl HttpConfig {
    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let parts = self.listen.rsplit_once(':');
        if !parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
            problems.push(format!("listen is `{}`, must be HOST:PORT such as 127.0.0.1:8080", self.listen));
        }
        if self.body_limit_bytes < 1_024 {
            problems.push(format!("body_limit_bytes is {}, must be at least 1024", self.body_limit_bytes));
        }
        if self.max_events == 0 {
            problems.push("max_events is 0, must be at least 1".to_owned());
        }
        if self.timeout_ms == 0 {
            problems.push("timeout_ms is 0, must be at least 1".to_owned());
        }
        problems
    }
}
