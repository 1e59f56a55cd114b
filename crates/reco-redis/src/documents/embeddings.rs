//! Vectors of users.

use super::{Documents, Expected, hmget};
use crate::client::{Batch, RedisClient, read};
use crate::error::ConfigError;
use reco_core::error::Fault;
use reco_core::id::UserKey;
use reco_core::time::Timestamp;
use redis::Value;
use std::time::Duration;

/// A user's vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// How often it was written.
    pub version: u64,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// The vector itself.
    pub vector: Vec<f32>,
}

/// Vectors of users, under `user_embedding:{USER}`: a hash of `vector` (32-bit floats, little endian), `dim`, `version` and
/// `updated_at`.
///
/// ```no_run
/// use reco_core::id::UserKey;
/// use reco_redis::{RedisClient, UserEmbeddings};
/// use std::time::Duration;
///
/// # async fn run(client: RedisClient) -> Result<(), Box<dyn std::error::Error>> {
/// let embeddings = UserEmbeddings::new(&client, Duration::from_secs(7 * 86_400))?;
/// let ann = UserKey::from("ann");
/// embeddings.write_many(&[(&ann, &[0.5, -1.0])]).await?;
/// let [Some(embedding)] = &embeddings.read_many(&[&ann]).await?[..] else { panic!("it has been written") };
/// assert_eq!(embedding.vector, [0.5, -1.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UserEmbeddings {
    documents: Documents,
}

impl UserEmbeddings {
    /// Longest vector.
    pub const LONGEST: usize = 65_536;

    /// Vectors that stay for `ttl` after the last write.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] if `ttl` is not between a millisecond and ten years.
    pub fn new(client: &RedisClient, ttl: Duration) -> Result<Self, ConfigError> {
        Ok(Self { documents: Documents::new(client, "redis_user_embeddings", "user_embedding", ttl)? })
    }

    /// Writes vectors of some users in one round trip.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when some may not have been written; writing them again does no harm.
    /// [`Invalid`](reco_core::error::FaultKind::Invalid), and none is written, if one is empty, too long or not finite.
    pub async fn write_many(&self, users: &[(&UserKey, &[f32])]) -> Result<(), Fault> {
        let mut batch = Batch::default();
        for (user, vector) in users {
            let dim = vector.len();
            if !(1..=Self::LONGEST).contains(&dim) || vector.iter().any(|number| !number.is_finite()) {
                let problem = format!(
                    "vector of user `{user}` has {dim} numbers, must have 1 to {}, all finite",
                    Self::LONGEST
                );
                return Err(self.documents.invalid(problem));
            }
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            self.documents.push(&mut batch, user.as_str(), Expected::Anything, &[], |command| {
                command.arg("vector").arg(bytes).arg("dim").arg(dim);
            });
        }
        self.documents.client.run(&batch).await.map(drop).map_err(|error| self.documents.fault(error))
    }

    /// Vectors of some users, in one round trip.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when Redis does not answer; [`Invalid`](reco_core::error::FaultKind::Invalid), naming the key, when something
    /// else is there.
    pub async fn read_many(&self, users: &[&UserKey]) -> Result<Vec<Option<Embedding>>, Fault> {
        let keys: Vec<String> = users.iter().map(|user| self.documents.key(user.as_str())).collect();
        let answers =
            self.documents.client.run(&hmget(&keys, &["vector", "dim", "version", "updated_at"])).await;
        let answers = answers.map_err(|error| self.documents.fault(error))?;
        users.iter().zip(answers).map(|(user, answer)| self.embedding(user, answer)).collect()
    }

    fn embedding(&self, user: &UserKey, answer: Value) -> Result<Option<Embedding>, Fault> {
        type Fields = (Option<Vec<u8>>, Option<usize>, Option<u64>, Option<i64>);
        let key = self.documents.key(user.as_str());
        let fields: Fields = read(answer, &key).map_err(|error| self.documents.fault(error))?;
        let (Some(bytes), Some(dim), Some(version), Some(updated_at)) = fields else { return Ok(None) };
        let (numbers, rest) = bytes.as_chunks::<4>();
        if numbers.len() != dim || !rest.is_empty() {
            let said = format!("vector has {} bytes, but dim is {dim}", bytes.len());
            return Err(self.documents.unreadable(user.as_str(), said));
        }
        let vector = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
        Ok(Some(Embedding { version, updated_at: Timestamp::from_millis(updated_at), vector }))
    }
}
