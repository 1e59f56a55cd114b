//! Features of items.

use super::{Documents, Expected};
use crate::client::{Batch, RedisClient, read};
use crate::error::ConfigError;
use reco_core::error::Fault;
use reco_core::id::ItemKey;
use reco_core::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemDocument {
    /// How often it was written.
    pub version: u64,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// Names, each with its group, and values.
    pub fields: BTreeMap<String, String>,
}

/// What is known of items, under `item_features:{ITEM}`: a hash of plain fields in the groups `content`, `popularity` and
/// `engagement`, `content.category` say, beside `version` and `updated_at`.
///
/// Groups are written each by itself, since different programs know of them: a write replaces the groups that it has
/// fields of, whole, and leaves the others as they are.
///
/// ```no_run
/// use reco_core::id::ItemKey;
/// use reco_redis::{ItemDocuments, RedisClient};
/// use std::time::Duration;
///
/// # async fn run(client: RedisClient) -> Result<(), Box<dyn std::error::Error>> {
/// let items = ItemDocuments::new(&client, Duration::from_secs(7 * 86_400))?;
/// let tea = ItemKey::from("tea");
/// let fields = [("content.category", "drinks"), ("popularity.views_7d", "812")];
/// items.write_many(&[(&tea, &fields)]).await?;
/// let [Some(document)] = &items.read_many(&[&tea]).await?[..] else { panic!("it has been written") };
/// assert_eq!(document.fields["content.category"], "drinks");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ItemDocuments {
    documents: Documents,
}

impl ItemDocuments {
    /// What the names of fields begin with, and a dot.
    pub const GROUPS: [&str; 3] = ["content", "popularity", "engagement"];

    /// Most fields in a write of one item.
    pub const MOST_FIELDS: usize = 1_000;

    /// Documents that stay for `ttl` after the last write.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] if `ttl` is not between a millisecond and ten years.
    pub fn new(client: &RedisClient, ttl: Duration) -> Result<Self, ConfigError> {
        Ok(Self { documents: Documents::new(client, "redis_item_documents", "item_features", ttl)? })
    }

    /// Writes groups of fields of some items in one round trip.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when some may not have been written; writing them again does no harm.
    /// [`Invalid`](reco_core::error::FaultKind::Invalid), and none is written, if a field is of no group or there are too many.
    pub async fn write_many(&self, items: &[(&ItemKey, &[(&str, &str)])]) -> Result<(), Fault> {
        let mut batch = Batch::default();
        for (item, fields) in items {
            let groups = self.groups_of(item, fields)?;
            self.documents.push(&mut batch, item.as_str(), Expected::Anything, &groups, |command| {
                for (name, value) in *fields {
                    command.arg(name).arg(value);
                }
            });
        }
        self.documents.client.run(&batch).await.map(drop).map_err(|error| self.documents.fault(error))
    }

    fn groups_of(&self, item: &ItemKey, fields: &[(&str, &str)]) -> Result<Vec<&'static str>, Fault> {
        if fields.len() > Self::MOST_FIELDS {
            let problem =
                format!("item `{item}` has {} fields, may have {}", fields.len(), Self::MOST_FIELDS);
            return Err(self.documents.invalid(problem));
        }
        let group = |name: &str| {
            let before_dot = name.split_once('.').map(|(group, _)| group);
            Self::GROUPS.into_iter().find(|group| before_dot == Some(*group)).ok_or_else(|| {
                let groups = Self::GROUPS.join("., ");
                self.documents
                    .invalid(format!("field `{name}` of item `{item}` must begin with one of {groups}."))
            })
        };
        fields.iter().map(|(name, _)| group(name)).collect()
    }

    /// What is known of some items, in one round trip.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when Redis does not answer; [`Invalid`](reco_core::error::FaultKind::Invalid), naming the key, when something
    /// else is there.
    pub async fn read_many(&self, items: &[&ItemKey]) -> Result<Vec<Option<ItemDocument>>, Fault> {
        let mut batch = Batch::default();
        for item in items {
            let key = self.documents.key(item.as_str());
            let mut command = redis::cmd("HGETALL");
            command.arg(&key);
            batch.push(&key, command);
        }
        let answers = self.documents.client.run(&batch).await;
        let answers = answers.map_err(|error| self.documents.fault(error))?;
        let document = |(item, answer): (&&ItemKey, _)| {
            let key = self.documents.key(item.as_str());
            let fields = read(answer, &key).map_err(|error| self.documents.fault(error))?;
            self.document(item, fields)
        };
        items.iter().zip(answers).map(document).collect()
    }

    fn document(
        &self,
        item: &ItemKey,
        mut fields: BTreeMap<String, String>,
    ) -> Result<Option<ItemDocument>, Fault> {
        let [_, version, updated_at] = Documents::COMMON.map(|name| fields.remove(name).unwrap_or_default());
        if fields.is_empty() {
            return Ok(None);
        }
        let wrong = |said| self.documents.unreadable(item.as_str(), said);
        let version = version.parse().map_err(|_| wrong("version must be a number"))?;
        let updated_at = updated_at.parse().map_err(|_| wrong("updated_at must be a number"))?;
        Ok(Some(ItemDocument { version, updated_at: Timestamp::from_millis(updated_at), fields }))
    }
}
