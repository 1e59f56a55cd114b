//! Events that the server does not have.

use crate::event::Event;
use crate::verdict::Problem;
use std::fmt;

/// An event that the server does not have, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Lost {
    /// The event, with its id and time: tracked again, it counts once however often that happens.
    pub event: Event,
    /// What happened.
    pub cause: Cause,
}

/// Why an event is not with the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The server cannot use it, or refused the whole request in a way that would not change.
    Refused(Vec<Problem>),
    /// The client ended before it was sent.
    Dropped,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(problems) => {
                let said: Vec<String> = problems.iter().map(Problem::to_string).collect();
                f.write_str(&said.join("; "))
            }
            Self::Dropped => f.write_str("the client ended before the event was sent"),
        }
    }
}
