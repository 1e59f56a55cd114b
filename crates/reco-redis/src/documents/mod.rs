//! What is known of users and items, as hashes that other programs read, too.

mod embeddings;
mod features;
mod feed;
mod fields;
mod items;

pub use embeddings::{Embedding, UserEmbeddings};
pub use features::FeatureStore;
pub use feed::FeatureFeed;
pub use items::{ItemDocument, ItemDocuments};

use crate::client::{Batch, RedisClient, Script};
use crate::error::{CallError, ConfigError, Trouble};
use reco_core::error::{Fault, FaultKind};
use redis::Cmd;
use std::fmt;
use std::time::Duration;

/// Documents of one kind: hashes with `version`, which counts writes, `updated_at`, and a `token` by which a write is told
/// from all others. They expire some time after the last write.
#[derive(Clone, Debug)]
struct Documents {
    client: RedisClient,
    /// Of the part that has them, for faults.
    name: &'static str,
    room: &'static str,
    ttl: Duration,
    script: Script,
}

/// What a write relies on.
#[derive(Clone, Copy, Debug)]
enum Expected<'a> {
    /// Nothing: it takes the place of whatever is there.
    Anything,
    /// That the document has this token, or is not there if that is empty.
    Token(&'a str),
}

impl Documents {
    /// Fields that every document has beside its own.
    const COMMON: [&'static str; 3] = ["token", "version", "updated_at"];

    fn new(
        client: &RedisClient,
        name: &'static str,
        room: &'static str,
        ttl: Duration,
    ) -> Result<Self, ConfigError> {
        if ttl < Duration::from_millis(1) || ttl > Duration::from_hours(10 * 365 * 24) {
            let problem = format!("ttl of `{room}` is {ttl:?}, must be between 1 ms and ten years");
            return Err(ConfigError::Invalid(vec![problem]));
        }
        let script = Script::new(include_str!("document.lua"));
        Ok(Self { client: client.clone(), name, room, ttl, script })
    }

    fn key(&self, owner: &str) -> String {
        self.client.keys().document(self.room, owner)
    }

    /// Adds a write of fields, which `fields` gives. Of the document's other fields, those of `groups` go: what stands
    /// before the first dot of a field's name is its group.
    fn push(
        &self,
        batch: &mut Batch,
        owner: &str,
        expected: Expected<'_>,
        groups: &[&str],
        fields: impl FnOnce(&mut Cmd),
    ) {
        let expected = match expected {
            Expected::Anything => "*",
            Expected::Token(token) => token,
        };
        let token = format!("{:016x}", self.client.token());
        batch.push_script(&self.script, &[&self.key(owner)], |command| {
            command.arg(expected).arg(token).arg(self.ttl.as_millis() as u64);
            command.arg(self.client.clock().wall().millis()).arg(groups.len()).arg(groups);
            fields(command);
        });
    }

    /// Forgets a document; fine if there was none.
    async fn forget(&self, owner: &str) -> Result<(), Fault> {
        let key = self.key(owner);
        let mut command = redis::cmd("UNLINK");
        command.arg(&key);
        self.client.run(&Batch::of(&key, command)).await.map(drop).map_err(|error| self.fault(error))
    }

    /// A failed call. What others have put under a key is about that key alone.
    fn fault(&self, error: CallError) -> Fault {
        let of_key = matches!(error.trouble, Trouble::WrongType | Trouble::Unreadable);
        let kind = if of_key { FaultKind::Invalid } else { error.trouble.kind() };
        Fault::new(self.name, kind).because(error)
    }

    /// What is under a key is not what belongs there.
    fn unreadable(&self, owner: &str, said: impl fmt::Display) -> Fault {
        self.fault(CallError::new(Trouble::Unreadable, format!("key `{}`", self.key(owner)), said))
    }

    /// Somebody asks for what cannot be written.
    fn invalid(&self, problem: String) -> Fault {
        Fault::new(self.name, FaultKind::Invalid).because(problem)
    }
}

/// The same fields of several documents.
fn hmget(keys: &[String], fields: &[&str]) -> Batch {
    let mut batch = Batch::default();
    for key in keys {
        let mut command = redis::cmd("HMGET");
        command.arg(key).arg(fields);
        batch.push(key, command);
    }
    batch
}
