//! Why Redis did not do what was asked of it, and what may be done about that.

use reco_core::error::{Fault, FaultKind};
use redis::{ErrorKind, RedisError};
use std::fmt;
use std::path::PathBuf;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The configuration makes no sense; everything that is wrong, one line each.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// A file of `tls` cannot be used.
    #[error("{name} is `{}`, must be a readable file in PEM format: {problem}", path.display())]
    File {
        /// The parameter.
        name: &'static str,
        /// What it says.
        path: PathBuf,
        /// What is wrong with the file.
        problem: String,
    },
}

/// Why a call failed, after all repetitions that made sense.
///
/// ```
/// use reco_core::error::FaultKind;
/// use reco_redis::Trouble;
///
/// assert!(Trouble::ReadOnly.passes(), "there will be another primary");
/// assert!(!Trouble::OutOfMemory.passes(), "somebody has to do something");
/// assert_eq!(Trouble::ReadOnly.kind(), FaultKind::Unavailable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// No connection can be made, or it broke.
    NoConnection,
    /// A server did not answer in time.
    NoAnswer,
    /// The sentinels do not say who the primary is.
    NoPrimary,
    /// The server is a replica, or became one meanwhile.
    ReadOnly,
    /// The server is still reading its data.
    Loading,
    /// Part of the cluster is missing, or it is being rearranged.
    ClusterDown,
    /// The replica has lost its primary.
    MasterDown,
    /// Too few replicas follow for the primary to take writes.
    NoReplicas,
    /// A script has kept the server busy for too long.
    Busy,
    /// The server has no room left.
    OutOfMemory,
    /// The server cannot write to its disk and takes no writes.
    DiskFailed,
    /// The server does not know us.
    NotAuthenticated,
    /// The server knows us and does not let us.
    NotPermitted,
    /// Somebody else keeps something else under our key.
    WrongType,
    /// The answer is not what the call has for an answer.
    Unreadable,
    /// Anything else the server says no to.
    Refused,
}

impl Trouble {
    /// True if it may be gone a moment later, so that repeating the call makes sense.
    pub fn passes(self) -> bool {
        match self {
            Self::NoConnection
            | Self::NoAnswer
            | Self::NoPrimary
            | Self::ReadOnly
            | Self::Loading
            | Self::ClusterDown
            | Self::MasterDown
            | Self::NoReplicas
            | Self::Busy => true,
            Self::OutOfMemory
            | Self::DiskFailed
            | Self::NotAuthenticated
            | Self::NotPermitted
            | Self::WrongType
            | Self::Unreadable
            | Self::Refused => false,
        }
    }

    /// True if it says that the server is no primary any more, or may not be.
    pub(crate) fn doubts_primary(self) -> bool {
        matches!(
            self,
            Self::NoConnection | Self::NoAnswer | Self::ReadOnly | Self::MasterDown | Self::NoReplicas
        )
    }

    /// The class that the pipeline looks at.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::NoAnswer => FaultKind::Timeout,
            Self::NotAuthenticated | Self::NotPermitted => FaultKind::Invalid,
            Self::WrongType | Self::Unreadable | Self::Refused => FaultKind::Internal,
            _ => FaultKind::Unavailable,
        }
    }

    /// What whoever runs the server can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoConnection => "check that the server runs and that topology names its address",
            Self::NoAnswer => {
                "the server is stopped or overloaded; if it is merely far away, raise answer_ms or call_ms"
            }
            Self::NoPrimary => "check that the sentinels run and watch topology.service",
            Self::ReadOnly => "it is a replica; point topology at the primary, or at the sentinels",
            Self::Loading => "it is reading its data and will answer when that is done",
            Self::ClusterDown => "check `redis-cli --cluster check`: every slot needs a primary that runs",
            Self::MasterDown => "it is a replica without a primary; check `INFO replication`",
            Self::NoReplicas => "fewer replicas follow than min-replicas-to-write; start them",
            Self::Busy => "a script runs for too long there; see `SLOWLOG GET`, stop it with `SCRIPT KILL`",
            Self::OutOfMemory => "raise maxmemory, or set maxmemory-policy to volatile-lru or volatile-ttl",
            Self::DiskFailed => {
                "the server cannot save its data; make room on its disk, see `INFO persistence`"
            }
            Self::NotAuthenticated => "set user and password as `ACL LIST` has them",
            Self::NotPermitted => {
                "grant the command and the keys, as docs/redis.md lists them, with `ACL SETUSER`"
            }
            Self::WrongType => "another application uses the same keys; give this one a prefix of its own",
            Self::Unreadable => {
                "another program, or another version, wrote it; give this one a prefix of its own"
            }
            Self::Refused => "the server does not understand it; Redis 7.0 or later is needed",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoConnection => "no connection",
            Self::NoAnswer => "no answer in time",
            Self::NoPrimary => "no primary is known",
            Self::ReadOnly => "takes no writes",
            Self::Loading => "is still loading its data",
            Self::ClusterDown => "the cluster is not complete",
            Self::MasterDown => "has lost its primary",
            Self::NoReplicas => "has too few replicas to take writes",
            Self::Busy => "is busy with a script",
            Self::OutOfMemory => "is out of memory",
            Self::DiskFailed => "cannot save its data and takes no writes",
            Self::NotAuthenticated => "does not know this user and password",
            Self::NotPermitted => "does not permit this",
            Self::WrongType => "a key holds something else",
            Self::Unreadable => "what came back cannot be read",
            Self::Refused => "refuses",
        })
    }
}

/// A call that failed: where, why, in the server's words, and what can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("redis at {place}: {trouble} ({said}); {}", trouble.advice())]
pub struct CallError {
    /// The class of it.
    pub trouble: Trouble,
    /// The address of the server, or the key whose value was read.
    pub place: String,
    /// What the server said, or what was waited for.
    pub said: String,
}

impl CallError {
    pub(crate) fn new(trouble: Trouble, place: impl fmt::Display, said: impl fmt::Display) -> Self {
        Self { trouble, place: place.to_string(), said: said.to_string() }
    }

    /// What an error of the client crate means.
    pub(crate) fn read(error: &RedisError, place: impl fmt::Display) -> Self {
        Self::new(trouble_of(error), place, error)
    }

    /// The same as a failure of a part.
    pub(crate) fn fault(self, component: &str) -> Fault {
        Fault::new(component, self.trouble.kind()).because(self)
    }
}

/// By the code the server gave, or by what happened to the connection.
fn trouble_of(error: &RedisError) -> Trouble {
    if let Some(trouble) = error.code().and_then(trouble_of_code) {
        return trouble;
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => Trouble::NotAuthenticated,
        ErrorKind::ClusterConnectionNotFound => Trouble::ClusterDown,
        ErrorKind::UnexpectedReturnType => Trouble::Unreadable,
        // A certificate that is not trusted comes as an error of connecting, too; its text says so.
        ErrorKind::Io if error.is_timeout() => Trouble::NoAnswer,
        ErrorKind::Io | ErrorKind::Parse => named_within(&error.to_string()).unwrap_or(Trouble::NoConnection),
        _ => named_within(&error.to_string()).unwrap_or(Trouble::Refused),
    }
}

fn trouble_of_code(code: &str) -> Option<Trouble> {
    Some(match code {
        "READONLY" => Trouble::ReadOnly,
        "LOADING" => Trouble::Loading,
        "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" => Trouble::ClusterDown,
        "MASTERDOWN" => Trouble::MasterDown,
        "NOREPLICAS" => Trouble::NoReplicas,
        "BUSY" => Trouble::Busy,
        "OOM" => Trouble::OutOfMemory,
        "MISCONF" => Trouble::DiskFailed,
        "NOAUTH" | "WRONGPASS" => Trouble::NotAuthenticated,
        "NOPERM" => Trouble::NotPermitted,
        "WRONGTYPE" => Trouble::WrongType,
        _ => return None,
    })
}

/// Errors of making connections to a cluster, and of scripts, hold what went wrong within their text.
fn named_within(text: &str) -> Option<Trouble> {
    if text.contains("AuthenticationFailed") {
        return Some(Trouble::NotAuthenticated);
    }
    text.split(|c: char| !c.is_ascii_uppercase()).find_map(trouble_of_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> RedisError {
        redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap().extract_error().unwrap_err()
    }

    #[test]
    fn what_servers_say_is_told_by_kind() {
        for (line, trouble) in [
            ("READONLY You can't write against a read only replica.", Trouble::ReadOnly),
            ("LOADING Redis is loading the dataset in memory", Trouble::Loading),
            ("CLUSTERDOWN The cluster is down", Trouble::ClusterDown),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Trouble::ClusterDown),
            ("MASTERDOWN Link with MASTER is down", Trouble::MasterDown),
            ("NOREPLICAS Not enough good replicas to write.", Trouble::NoReplicas),
            ("OOM command not allowed when used memory > 'maxmemory'.", Trouble::OutOfMemory),
            ("MISCONF Redis is configured to save RDB snapshots", Trouble::DiskFailed),
            ("NOAUTH Authentication required.", Trouble::NotAuthenticated),
            ("WRONGPASS invalid username-password pair", Trouble::NotAuthenticated),
            ("NOPERM this user has no permissions to run the 'set' command", Trouble::NotPermitted),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Trouble::WrongType),
            ("ERR unknown command", Trouble::Refused),
            ("ERR WRONGTYPE Operation against a key script: f_1", Trouble::WrongType),
        ] {
            let error = CallError::read(&said(line), "127.0.0.1:6379");
            assert_eq!(error.trouble, trouble, "{line}");
            assert!(error.to_string().contains("127.0.0.1:6379"), "{error}");
        }
    }

    #[test]
    fn broken_connections_pass() {
        let refused = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        assert_eq!(CallError::read(&refused, "here").trouble, Trouble::NoConnection);
        let late = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        assert_eq!(CallError::read(&late, "here").trouble, Trouble::NoAnswer);
        assert!(Trouble::NoConnection.passes() && Trouble::NoAnswer.passes());
    }
}
