//! Where Redis is, who we are there, and how long we wait.

use crate::address::Address;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// How to reach Redis, and what to do when that takes long or fails.
///
/// ```
/// use reco_redis::{RedisConfig, Topology};
///
/// let config: RedisConfig = toml::from_str(
///     r#"
///     prefix = "shop"
///     topology = { kind = "sentinel", addresses = ["10.0.0.1:26379", "10.0.0.2:26379"], service = "shop" }
///     user = "reco"
///     password = "a secret"
///     retry = { attempts = 4 }
///     "#,
/// )?;
/// assert!(config.problems().is_empty());
/// assert!(!format!("{config:?}").contains("a secret"));
///
/// let wrong = RedisConfig { topology: Topology::Cluster { addresses: vec!["nowhere".into()] }, pool: 0, ..config };
/// assert_eq!(wrong.problems().len(), 2);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Which servers there are.
    // Left out where it is the default, so that one of another kind can be laid over it entry by entry.
    #[serde(skip_serializing_if = "Topology::is_default")]
    pub topology: Topology,
    /// Name of an ACL user; empty for the default user.
    pub user: String,
    /// Its password; empty for none.
    pub password: Secret,
    /// Encrypted connections; none without.
    pub tls: Option<TlsConfig>,
    /// What every key but those of documents begins with, so that several applications can share a server.
    pub prefix: String,
    /// What the keys of documents (features of users and items, embeddings) begin with. Empty for nothing, which is
    /// where other programs look for them.
    pub documents_prefix: String,
    /// Connections kept to each server. Every one carries many calls at a time.
    pub pool: usize,
    /// Milliseconds in which a connection must be made.
    pub connect_ms: u64,
    /// Milliseconds in which a server must answer.
    pub answer_ms: u64,
    /// Milliseconds that a call may take with all its repetitions.
    pub call_ms: u64,
    /// Sentinel only: milliseconds after which the sentinels are asked again who the primary is. Must be less than
    /// their `down-after-milliseconds`, the silence after which they replace a primary.
    pub confirm_ms: u64,
    /// What happens when a call fails for a reason that passes.
    pub retry: RetryConfig,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            topology: Topology::default(),
            user: String::new(),
            password: Secret::default(),
            tls: None,
            prefix: "reco".to_owned(),
            documents_prefix: String::new(),
            pool: 2,
            connect_ms: 1_000,
            answer_ms: 500,
            call_ms: 2_000,
            confirm_ms: 250,
            retry: RetryConfig::default(),
        }
    }
}

/// Which servers there are. Addresses are HOST:PORT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Topology {
    /// One server.
    Single {
        /// Where it is.
        address: String,
    },
    /// A primary and its replicas, watched by sentinels that say who the primary is.
    Sentinel {
        /// Where sentinels are, all that are known.
        addresses: Vec<String>,
        /// The name under which they watch it.
        service: String,
        /// Name of an ACL user of the sentinels; empty for the default user.
        #[serde(default)]
        user: String,
        /// Its password; empty for none.
        #[serde(default)]
        password: Secret,
    },
    /// A cluster.
    Cluster {
        /// Where some of its nodes are; they tell the others.
        addresses: Vec<String>,
    },
}

impl Topology {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self::Single { address: "127.0.0.1:6379".to_owned() }
    }
}

/// Files in PEM format for encrypted connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificates of authorities that are trusted; those of the system without.
    pub ca: Option<PathBuf>,
    /// Our own certificate, for servers that ask for one.
    pub certificate: Option<PathBuf>,
    /// The key of that.
    pub key: Option<PathBuf>,
}

/// Exponential back-off with full jitter: before repetition n, wait anything from nothing to `base_ms` · 2ⁿ, at most
/// `cap_ms`, so that many clients do not come back at the same moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// How often a call is tried at most, the first time included.
    pub attempts: u32,
    /// Longest pause before the first repetition, in milliseconds.
    pub base_ms: u64,
    /// Longest pause, in milliseconds.
    pub cap_ms: u64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { attempts: 6, base_ms: 25, cap_ms: 500 }
    }
}

/// A text that is not shown: neither by `Debug` nor when a configuration is written out.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "***" })
    }
}

impl RedisConfig {
    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let Self { user, password, tls, prefix, documents_prefix, pool, connect_ms, answer_ms, .. } = self;
        let Self { call_ms, confirm_ms, retry, .. } = self;
        let RetryConfig { attempts, base_ms, cap_ms } = retry;
        let mut problems = self.topology.problems();
        let mut check = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        check(
            user.is_empty() || !password.is_empty(),
            format!("user is `{user}` but password is empty, must be set for a named user"),
        );
        // Braces say what decides about a key's place in a cluster; they belong to the user in it.
        check(
            !prefix.is_empty() && !prefix.contains(['{', '}']),
            format!("prefix is `{prefix}`, must not be empty and have no braces"),
        );
        check(
            !documents_prefix.contains(['{', '}']),
            format!("documents_prefix is `{documents_prefix}`, must have no braces"),
        );
        check((1..=256).contains(pool), format!("pool is {pool}, must be between 1 and 256"));
        for (name, millis) in
            [("connect_ms", connect_ms), ("answer_ms", answer_ms), ("confirm_ms", confirm_ms)]
        {
            check((1..=60_000).contains(millis), format!("{name} is {millis}, must be between 1 and 60000"));
        }
        check(
            call_ms >= answer_ms && *call_ms <= 600_000,
            format!("call_ms is {call_ms}, must be at least answer_ms ({answer_ms}) and at most 600000"),
        );
        check(
            (1..=100).contains(attempts),
            format!("retry.attempts is {attempts}, must be between 1 and 100"),
        );
        check(
            base_ms <= cap_ms,
            format!("retry.base_ms is {base_ms}, must be at most retry.cap_ms ({cap_ms})"),
        );
        check(*cap_ms <= 60_000, format!("retry.cap_ms is {cap_ms}, must be at most 60000"));
        if let Some(tls) = tls {
            check(
                tls.certificate.is_some() == tls.key.is_some(),
                format!(
                    "tls.certificate is {} but tls.key is {}, must be given together or not at all",
                    shown(tls.certificate.as_deref()),
                    shown(tls.key.as_deref()),
                ),
            );
        }
        problems
    }
}

impl Topology {
    fn problems(&self) -> Vec<String> {
        let (name, addresses) = match self {
            Self::Single { address } => ("topology.address", std::slice::from_ref(address)),
            Self::Sentinel { addresses, .. } | Self::Cluster { addresses } => {
                ("topology.addresses", addresses.as_slice())
            }
        };
        let mut problems: Vec<String> = addresses
            .iter()
            .filter_map(|address| address.parse::<Address>().err())
            .map(|problem| format!("{name} {problem}"))
            .collect();
        if addresses.is_empty() {
            problems.push(format!("{name} is empty, must have at least one HOST:PORT"));
        }
        if let Self::Sentinel { service, user, password, .. } = self {
            if service.is_empty() {
                problems.push(
                    "topology.service is empty, must be the name in `sentinel monitor NAME ...`".to_owned(),
                );
            }
            if !user.is_empty() && password.is_empty() {
                problems.push(format!(
                    "topology.user is `{user}` but topology.password is empty, must be set for a named user"
                ));
            }
        }
        problems
    }
}

fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "not set".to_owned(), |path| format!("`{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(RedisConfig::default().problems(), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let config = RedisConfig {
            topology: Topology::Sentinel {
                addresses: vec!["one".into(), "two:70000".into()],
                service: String::new(),
                user: "watcher".into(),
                password: Secret::default(),
            },
            user: "reco".into(),
            tls: Some(TlsConfig { key: Some("key.pem".into()), ..TlsConfig::default() }),
            prefix: "a{b".into(),
            documents_prefix: "c}d".into(),
            pool: 0,
            connect_ms: 0,
            answer_ms: 5_000,
            call_ms: 1_000,
            retry: RetryConfig { attempts: 0, base_ms: 100_000, cap_ms: 99_000 },
            ..RedisConfig::default()
        };
        let problems = config.problems();
        for part in [
            "`one`",
            "`two:70000`",
            "topology.service",
            "topology.user is `watcher`",
            "user is `reco`",
            "prefix is `a{b`",
            "documents_prefix is `c}d`",
            "pool is 0",
            "connect_ms is 0",
            "call_ms is 1000",
            "retry.attempts is 0",
            "retry.base_ms is 100000",
            "retry.cap_ms is 99000",
            "tls.certificate is not set but tls.key is `key.pem`",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:#?}");
        }
        assert_eq!(problems.len(), 14, "{problems:#?}");
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = RedisConfig {
            password: "opensesame".into(),
            topology: Topology::Sentinel {
                addresses: vec![],
                service: "s".into(),
                user: "u".into(),
                password: "opensesame".into(),
            },
            ..RedisConfig::default()
        };
        let written = toml::to_string(&config).unwrap();
        for shown in [format!("{config:?}"), format!("{config:#?}"), written, config.problems().join(" ")] {
            assert!(!shown.contains("opensesame"), "{shown}");
        }
    }
}
