//! Commands for one round trip.

use crate::keys::slot;
use redis::{Arg, Cmd, Pipeline, Value};
use std::sync::Arc;

/// A program that runs inside the server, known there by its hash once it ran.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    code: Arc<str>,
    hash: String,
}

impl Script {
    pub(crate) fn new(code: &str) -> Self {
        Self { code: code.into(), hash: redis::Script::new(code).get_hash().to_owned() }
    }
}

/// Commands that go together in one round trip (in a cluster: one to each server), each done or not by itself.
///
/// Every command can be repeated without harm, because an answer that got lost looks like a command that did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    slot: u16,
    command: Cmd,
    /// The program, if the command names one by its hash.
    code: Option<Arc<str>>,
}

impl Batch {
    /// One command on one key.
    pub(crate) fn of(key: &str, command: Cmd) -> Self {
        let mut batch = Self::default();
        batch.push(key, command);
        batch
    }

    /// Adds a command on `key`, or on keys in the same slot.
    pub(crate) fn push(&mut self, key: &str, command: Cmd) {
        self.steps.push(Step { slot: slot(key.as_bytes()), command, code: None });
    }

    /// Adds a run of a program over `keys`, which are in one slot; `arguments` adds what it is given.
    pub(crate) fn push_script(&mut self, script: &Script, keys: &[&str], arguments: impl FnOnce(&mut Cmd)) {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.hash).arg(keys.len()).arg(keys);
        arguments(&mut command);
        let slot = slot(keys.first().expect("a program has a key").as_bytes());
        self.steps.push(Step { slot, command, code: Some(Arc::clone(&script.code)) });
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// All of it in order.
    pub(super) fn pipeline(&self) -> Pipeline {
        self.pipeline_of(0..self.len())
    }

    /// The positions of each slot's commands, in order.
    pub(super) fn by_slot(&self) -> Vec<Vec<usize>> {
        let mut places: Vec<usize> = (0..self.len()).collect();
        places.sort_by_key(|place| self.steps[*place].slot);
        places.chunk_by(|a, b| self.steps[*a].slot == self.steps[*b].slot).map(<[usize]>::to_vec).collect()
    }

    /// The commands at the given positions.
    pub(super) fn pipeline_of(&self, places: impl IntoIterator<Item = usize>) -> Pipeline {
        let mut pipeline = redis::pipe();
        for place in places {
            pipeline.add_command(self.steps[place].command.clone());
        }
        pipeline
    }

    /// Positions of answers that say that the server does not know a program, and the same commands with its text.
    pub(super) fn unknown_scripts(&self, answers: &[Value]) -> (Vec<usize>, Self) {
        let unknown =
            |answer: &Value| matches!(answer, Value::ServerError(error) if error.code() == "NOSCRIPT");
        let places: Vec<usize> = (0..self.len()).filter(|place| unknown(&answers[*place])).collect();
        let steps = places.iter().map(|place| self.steps[*place].with_text()).collect();
        (places, Self { steps })
    }
}

impl Step {
    fn with_text(&self) -> Self {
        let Some(code) = &self.code else { return self.clone() };
        let mut command = redis::cmd("EVAL");
        command.arg(code.as_bytes());
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        Self { slot: self.slot, command, code: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_kept_together_in_order() {
        let mut batch = Batch::default();
        for key in ["{a}1", "{b}1", "{a}2", "{b}2", "{a}3"] {
            batch.push(key, redis::cmd("GET"));
        }
        let mut groups = batch.by_slot();
        groups.sort();
        assert_eq!(groups, [vec![0, 2, 4], vec![1, 3]]);
    }

    #[test]
    fn a_program_is_sent_whole_when_it_is_not_known() {
        let mut batch = Batch::default();
        batch.push("k", redis::cmd("GET"));
        batch.push_script(&Script::new("return ARGV[1]"), &["k"], |command| {
            command.arg("x");
        });
        let unknown = redis::parse_redis_value(b"-NOSCRIPT No matching script.\r\n").unwrap();
        let (places, again) = batch.unknown_scripts(&[Value::Nil, unknown]);
        assert_eq!(places, [1]);
        let text = String::from_utf8(again.pipeline().get_packed_pipeline()).unwrap();
        assert!(
            text.contains("EVAL\r\n$14\r\nreturn ARGV[1]\r\n$1\r\n1\r\n$1\r\nk\r\n$1\r\nx\r\n"),
            "{text}"
        );
    }
}
