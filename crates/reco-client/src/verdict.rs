//! What an answer means for the events of its request.

use crate::transport::Answer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What is wrong with one field of an event, as the server says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The field.
    pub field: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.problem)
    }
}

/// What to do with the events of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All were judged: what is wrong with those that the server cannot use, by place, and how many it knew already.
    Judged { wrong: BTreeMap<usize, Vec<Problem>>, repeated: usize },
    /// The request was refused as a whole, and would be every time.
    Refused(Problem),
    /// Fewer at a time may do.
    TooMuch(Problem),
    /// Nobody knows, or not now.
    Again { why: String, asked: Option<Duration> },
}

/// The fields of an answer that matter here.
#[derive(Deserialize)]
struct Outcome {
    accepted: usize,
    duplicates: usize,
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    index: usize,
    #[serde(flatten)]
    wrong: Problem,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureBody,
}

#[derive(Deserialize)]
struct FailureBody {
    message: String,
    #[serde(default)]
    field: Option<String>,
}

/// Judges the answer to a request of `n_events`.
pub(crate) fn judge(answer: &Answer, n_events: usize) -> Verdict {
    let failure = || failure(answer);
    match answer.status {
        200..300 | 422 => match (outcome(&answer.body, n_events), answer.status) {
            (Some(judged), _) => judged,
            (None, 422) => Verdict::Refused(failure()),
            // Something in between that answers for the server must not make events vanish.
            (None, status) => Verdict::Again {
                why: format!("an answer with status {status} that is not of reco"),
                asked: None,
            },
        },
        // The server gave up waiting; what it was doing may still succeed.
        408 | 429 | 500..600 => Verdict::Again { why: failure().to_string(), asked: answer.retry_after },
        413 => Verdict::TooMuch(failure()),
        400 if failure().field == "events" => Verdict::TooMuch(failure()),
        _ => Verdict::Refused(failure()),
    }
}

/// The verdict on every event, if the answer accounts for all of them.
fn outcome(body: &[u8], n_events: usize) -> Option<Verdict> {
    let Outcome { accepted, duplicates, rejected } = serde_json::from_slice(body).ok()?;
    let mut wrong: BTreeMap<usize, Vec<Problem>> = BTreeMap::new();
    for rejected in rejected {
        wrong.entry(rejected.index).or_default().push(rejected.wrong);
    }
    let accounted = accepted.checked_add(duplicates)?.checked_add(wrong.len())?;
    let within = wrong.keys().all(|index| *index < n_events);
    (accounted == n_events && within).then_some(Verdict::Judged { wrong, repeated: duplicates })
}

fn failure(answer: &Answer) -> Problem {
    let status = answer.status;
    match serde_json::from_slice(&answer.body) {
        Ok(Failure { error: FailureBody { message, field } }) => Problem {
            field: field.unwrap_or_else(|| "request".to_owned()),
            problem: format!("was refused with status {status}: {message}"),
        },
        Err(_) => {
            Problem { field: "request".to_owned(), problem: format!("was refused with status {status}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::{Value, json};

    fn judged(status: u16, body: &Value) -> Verdict {
        let body = Bytes::from(body.to_string());
        judge(&Answer { status, retry_after: Some(Duration::from_secs(2)), body }, 3)
    }

    #[test]
    fn every_event_is_accounted_for_or_sent_again() {
        let rejected = json!([{"index": 1, "field": "item_id", "problem": "is missing"},
                              {"index": 1, "field": "value", "problem": "is missing"}]);
        let outcome = json!({"accepted": 1, "duplicates": 1, "rejected": rejected});
        let Verdict::Judged { wrong, repeated } = judged(202, &outcome) else { panic!("it is complete") };
        assert_eq!((wrong.keys().collect::<Vec<_>>(), wrong[&1].len(), repeated), (vec![&1], 2, 1));
        for (field, value) in
            [("accepted", json!(2)), ("duplicates", json!(usize::MAX)), ("rejected", json!([]))]
        {
            let mut other = outcome.clone();
            other[field] = value;
            assert!(matches!(judged(202, &other), Verdict::Again { .. }), "{other}");
        }
        assert!(matches!(judged(200, &json!("<html>")), Verdict::Again { .. }));
    }

    #[test]
    fn only_what_may_pass_is_repeated() {
        let error = json!({"error": {"code": "c", "message": "m"}});
        for status in [408, 429, 500, 502, 503, 504] {
            let again = Verdict::Again {
                why: format!("request was refused with status {status}: m"),
                asked: Some(Duration::from_secs(2)),
            };
            assert_eq!(judged(status, &error), again);
        }
        for status in [301, 400, 401, 403, 404, 405, 415, 422] {
            assert!(matches!(judged(status, &error), Verdict::Refused(_)), "{status}");
        }
        let events = json!({"error": {"code": "c", "message": "m", "field": "events"}});
        assert!(matches!(judged(400, &events), Verdict::TooMuch(_)));
        assert!(matches!(judged(413, &json!("not of reco")), Verdict::TooMuch(_)));
    }
}
