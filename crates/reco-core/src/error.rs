//! What can go wrong on the request path, in the words the pipeline needs to decide what to do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A boxed cause.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a caller may do about a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The time budget ran out.
    Timeout,
    /// The other side is down, or the breaker is open. Worth trying later.
    Unavailable,
    /// The data asked for is not there (a model the snapshot lacks).
    NotFound,
    /// The component was handed something it cannot work with.
    Invalid,
    /// A bug, a panic or corrupt data. Never retried.
    Internal,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "time budget spent",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not found",
            Self::Invalid => "invalid input",
            Self::Internal => "internal error",
        })
    }
}

/// A failure of one pipeline component. Cheap to clone, since several may have waited for what failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{component}: {kind}")]
pub struct Fault {
    /// Name the component was registered under.
    pub component: Arc<str>,
    /// The class the degradation policy looks at.
    pub kind: FaultKind,
    /// The cause, when there is one.
    pub source: Option<Arc<dyn std::error::Error + Send + Sync + 'static>>,
}

impl Fault {
    /// A fault without a cause.
    pub fn new(component: impl Into<Arc<str>>, kind: FaultKind) -> Self {
        Self { component: component.into(), kind, source: None }
    }

    /// The same fault with its cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<BoxError>) -> Self {
        self.source = Some(Arc::from(cause.into()));
        self
    }

    /// One line for people: component, kind and every cause down the chain.
    pub fn message(&self) -> String {
        let mut line = self.to_string();
        let mut cause: Option<&dyn std::error::Error> = self.source.as_deref().map(|cause| cause as _);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

/// What the pipeline does when a component faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnFault {
    /// Go on without it and note it in the response.
    #[default]
    Skip,
    /// Step down to the next rung of the ladder.
    StepDown,
    /// Give up; only for components without which an answer would be wrong
    /// (a legal block list, say).
    Fail,
}

/// How good an answer the caller got; ordered from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rung {
    /// Every stage ran with its first choice.
    #[default]
    Full,
    /// Personal candidates, ordered by a fall-back ranker.
    RuleRanked,
    /// Personal candidates in the order their generators gave them.
    CandidateScores,
    /// Popular in the user's categories, then everywhere.
    Popular,
    /// Nothing could be computed in time: the catalogue's popularity order, filtered only by
    /// what is never optional.
    Static,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::RuleRanked => "rule_ranked",
            Self::CandidateScores => "candidate_scores",
            Self::Popular => "popular",
            Self::Static => "static",
        })
    }
}

/// `recommend` itself fails only when an answer would be wrong or cannot be admitted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecommendError {
    /// A field of the request cannot be honoured.
    #[error("{field}: {problem}")]
    InvalidRequest {
        /// The request's field, as its documentation names it.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A component marked [`OnFault::Fail`] faulted.
    #[error("a required component failed")]
    Required(#[from] Fault),
    /// The queue to the compute pool is full; try again later.
    #[error("overloaded: {waiting} requests are already waiting, at most {limit} may")]
    Overloaded {
        /// Requests in the queue.
        waiting: usize,
        /// Its bound.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_whole_chain() {
        let fault = Fault::new("ann", FaultKind::Unavailable).because("file truncated at byte 12");
        assert_eq!(fault.message(), "ann: unavailable: file truncated at byte 12");
    }

    #[test]
    fn rungs_are_ordered_from_best_to_worst() {
        assert!(Rung::Full < Rung::RuleRanked && Rung::RuleRanked < Rung::Popular);
    }
}
