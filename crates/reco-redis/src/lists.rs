//! Lists computed in advance, one for each user and type.

use crate::client::{Batch, RedisClient, Script, read};
use crate::error::{CallError, Trouble};
use async_trait::async_trait;
use reco_core::error::{Fault, FaultKind};
use reco_core::id::UserKey;
use reco_core::retrieve::{ListedItem, RemoteGenerator, RemoteHit, StoredList};
use reco_core::time::{Budget, Timestamp};
use redis::Value;

/// Lists of up to a thousand items under `PREFIX:list:{USER}:TYPE`.
///
/// A list is a hash: `type`, `computed_at`, `expires_at` (milliseconds since 1970), `n_items`, and blocks of a hundred
/// items as JSON, `items:0`, `items:1`, ... A reader asks for the blocks it needs; whoever reads while the list is
/// replaced gets all of the old or all of the new. It expires by itself, and an expired one is never handed out.
///
/// ```no_run
/// use reco_core::time::{Clock, SystemClock};
/// use reco_core::retrieve::StoredList;
/// use reco_redis::{PrecomputedLists, RedisClient, RedisConfig};
/// use std::sync::Arc;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = RedisClient::new(RedisConfig::default(), Arc::new(SystemClock), 7)?;
/// let lists = PrecomputedLists::new(&client, "nightly");
/// let now = SystemClock.wall();
/// let items = [("tea".into(), 0.9, "you bought honey".to_owned()), ("jam".into(), 0.7, String::new())];
/// lists.write(&[(&"ann".into(), StoredList::new(now, now.plus_days(1.0), items))]).await?;
/// let list = lists.read(&"ann".into(), 20).await?.expect("it has been written");
/// assert_eq!(list.items[0].explanation, "you bought honey");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PrecomputedLists {
    client: RedisClient,
    kind: String,
    script: Script,
}

impl PrecomputedLists {
    const NAME: &'static str = "redis_lists";

    /// Items in a field of the hash.
    const BLOCK: usize = 100;

    /// Lists written in one round trip, some megabytes at a thousand items each.
    const BATCH: usize = 32;

    /// Lists of one type, `nightly` say.
    pub fn new(client: &RedisClient, kind: &str) -> Self {
        Self { client: client.clone(), kind: kind.to_owned(), script: Script::new(include_str!("lists.lua")) }
    }

    /// Writes lists, each in place of the one before, in as few round trips as their size permits.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when some may not have been written; writing them again is harmless.
    /// [`Invalid`](FaultKind::Invalid), and none is written, if one is too long, has a score that is not
    /// finite, or ranks that do not count from 1.
    pub async fn write(&self, lists: &[(&UserKey, StoredList)]) -> Result<(), Fault> {
        for (user, list) in lists {
            if let Some(problem) = list.problem() {
                let problem = format!("list `{}` of user `{user}`: {problem}", self.kind);
                return Err(Fault::new(Self::NAME, FaultKind::Invalid).because(problem));
            }
        }
        for block in lists.chunks(Self::BATCH) {
            let mut batch = Batch::default();
            for (user, list) in block {
                self.push(&mut batch, user, list)?;
            }
            self.client.run(&batch).await.map_err(|error| error.fault(Self::NAME))?;
        }
        Ok(())
    }

    /// The first `count` items of a user's list; `None` if there is none that still holds.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when Redis does not answer, or what is there is no list.
    pub async fn read(&self, user: &UserKey, count: usize) -> Result<Option<StoredList>, Fault> {
        Ok(self.read_many(&[user], count).await?.pop().flatten())
    }

    /// The same of several users in one round trip.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), if one of them cannot be read.
    pub async fn read_many(
        &self,
        users: &[&UserKey],
        count: usize,
    ) -> Result<Vec<Option<StoredList>>, Fault> {
        let blocks: Vec<String> = (0..count.min(StoredList::LONGEST).div_ceil(Self::BLOCK))
            .map(|block| format!("items:{block}"))
            .collect();
        let keys: Vec<String> = users.iter().map(|user| self.key(user)).collect();
        let mut batch = Batch::default();
        for key in &keys {
            let mut command = redis::cmd("HMGET");
            command.arg(key).arg(&["computed_at", "expires_at", "n_items"]).arg(&blocks);
            batch.push(key, command);
        }
        let (answers, now) = (self.client.run(&batch).await, self.client.clock().wall());
        let answers = answers.map_err(|error| error.fault(Self::NAME))?;
        let list = |(key, answer): (&String, Value)| {
            let list = read(answer, key).and_then(|fields| decode(key, fields));
            let list = list.map_err(|error| error.fault(Self::NAME))?;
            let mut list = list.filter(|list| now < list.expires_at);
            list.iter_mut().for_each(|list| list.items.truncate(count));
            Ok(list)
        };
        keys.iter().zip(answers).map(list).collect()
    }

    /// Forgets a user's list; fine if there was none.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when it may still be there.
    pub async fn remove(&self, user: &UserKey) -> Result<(), Fault> {
        let key = self.key(user);
        let mut command = redis::cmd("UNLINK");
        command.arg(&key);
        self.client.run(&Batch::of(&key, command)).await.map(drop).map_err(|error| error.fault(Self::NAME))
    }

    fn push(&self, batch: &mut Batch, user: &UserKey, list: &StoredList) -> Result<(), Fault> {
        let blocks: Result<Vec<String>, _> =
            list.items.chunks(Self::BLOCK).map(serde_json::to_string).collect();
        let blocks = blocks.map_err(|error| Fault::new(Self::NAME, FaultKind::Internal).because(error))?;
        batch.push_script(&self.script, &[&self.key(user)], |command| {
            let (computed_at, expires_at) = (list.computed_at.millis(), list.expires_at.millis());
            command.arg(expires_at).arg("type").arg(&self.kind);
            command.arg("computed_at").arg(computed_at).arg("expires_at").arg(expires_at);
            command.arg("n_items").arg(list.items.len());
            for (place, block) in blocks.iter().enumerate() {
                command.arg(format!("items:{place}")).arg(block);
            }
        });
        Ok(())
    }

    fn key(&self, user: &UserKey) -> String {
        self.client.keys().owned("list", user.as_str(), &self.kind)
    }
}

/// Reads the fields of a hash: computed_at, expires_at, n_items, then blocks.
fn decode(key: &str, fields: Vec<Value>) -> Result<Option<StoredList>, CallError> {
    let wrong = |said: String| CallError::new(Trouble::Unreadable, format!("key `{key}`"), said);
    let text =
        |value| redis::from_redis_value::<Option<String>>(value).map_err(|error| wrong(error.to_string()));
    let mut fields = fields.into_iter().map(text);
    let mut number = |name: &str| -> Result<Option<i64>, CallError> {
        let field = fields.next().transpose()?.flatten();
        let parse = |field: String| {
            field.parse().map_err(|_| wrong(format!("{name} is `{field}`, must be a number")))
        };
        field.map(parse).transpose()
    };
    let (computed_at, expires_at, n_items) =
        (number("computed_at")?, number("expires_at")?, number("n_items")?);
    let (Some(computed_at), Some(expires_at), Some(n_items)) = (computed_at, expires_at, n_items) else {
        return Ok(None);
    };
    let mut items: Vec<ListedItem> = Vec::new();
    for block in fields {
        let Some(block) = block? else { break };
        let block: Vec<ListedItem> =
            serde_json::from_str(&block).map_err(|error| wrong(error.to_string()))?;
        items.extend(block);
    }
    let (computed_at, expires_at) = (Timestamp::from_millis(computed_at), Timestamp::from_millis(expires_at));
    Ok(Some(StoredList { computed_at, expires_at, n_items: n_items.max(0) as usize, items }))
}

/// Proposes what a user's list has.
#[async_trait]
impl RemoteGenerator for PrecomputedLists {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn generate(&self, user: &UserKey, limit: usize, budget: &Budget) -> Result<Vec<RemoteHit>, Fault> {
        let read = budget.run(self.read(user, limit)).await;
        let list = read.unwrap_or_else(|| Err(Fault::new(Self::NAME, FaultKind::Timeout)))?;
        Ok(list.map(StoredList::into_hits).unwrap_or_default())
    }
}
