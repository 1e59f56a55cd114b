//! The registry of one process.

use super::{Change, ModelRegistry, RegistryError, Rollout};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::Hasher;

/// Versions in memory, each with a checksum that is looked at on every load.
///
/// Versions never leave, so room is bounded: once the artifacts together would take more than the
/// capacity, publishing is refused with [`RegistryError::Store`].
///
/// ```
/// use reco_core::registry::{Change, MemoryRegistry, ModelRegistry, Rollout};
/// use reco_core::time::Timestamp;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let registry = MemoryRegistry::default();
/// let version = registry.publish("als", "weights".into()).await?;
/// let next = Rollout { stable: Some(version), canary: None };
/// let (at, by, why) = (Timestamp::from_secs(1_700_000_000), "ann".to_owned(), "the first one".to_owned());
/// let change = Change { at, by, why, rollout: next.clone() };
/// registry.set_rollout("als", &Rollout::default(), change).await?;
/// assert_eq!(registry.rollout("als").await?, next);
/// # Ok::<(), reco_core::registry::RegistryError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct MemoryRegistry {
    models: Mutex<Models>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Models {
    by_name: BTreeMap<String, Entry>,
    /// Bytes of all artifacts.
    size: usize,
}

#[derive(Debug, Default)]
struct Entry {
    /// Artifact and checksum; version n is at position n - 1.
    versions: Vec<(Bytes, u64)>,
    rollout: Rollout,
    changes: Vec<Change>,
}

impl Default for MemoryRegistry {
    /// Room for 1 GiB of artifacts.
    fn default() -> Self {
        Self::with_capacity(1 << 30)
    }
}

impl MemoryRegistry {
    /// An empty registry that holds at most `capacity` bytes of artifacts.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { models: Mutex::default(), capacity }
    }
}

impl Models {
    fn version(&self, model: &str, version: u64) -> Option<&(Bytes, u64)> {
        let position = usize::try_from(version.checked_sub(1)?).ok()?;
        self.by_name.get(model)?.versions.get(position)
    }
}

/// Of no use outside this process: the hash is a fast one, not a standard one.
fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

#[async_trait]
impl ModelRegistry for MemoryRegistry {
    async fn publish(&self, model: &str, artifact: Bytes) -> Result<u64, RegistryError> {
        let sum = checksum(&artifact);
        let mut models = self.models.lock();
        let size = models.size.saturating_add(artifact.len());
        if size > self.capacity {
            let cause =
                format!("it holds at most {} bytes of artifacts, with this one {size}", self.capacity);
            return Err(RegistryError::Store(cause.into()));
        }
        models.size = size;
        let versions = &mut models.by_name.entry(model.to_owned()).or_default().versions;
        versions.push((artifact, sum));
        Ok(versions.len() as u64)
    }

    async fn load(&self, model: &str, version: u64) -> Result<Bytes, RegistryError> {
        let found = self.models.lock().version(model, version).cloned();
        let (artifact, sum) =
            found.ok_or_else(|| RegistryError::NotFound { model: model.to_owned(), version })?;
        if checksum(&artifact) != sum {
            let what = "the checksum does not fit".to_owned();
            return Err(RegistryError::Corrupt { model: model.to_owned(), version, what });
        }
        Ok(artifact)
    }

    async fn versions(&self, model: &str) -> Result<Vec<u64>, RegistryError> {
        let models = self.models.lock();
        let n_versions = models.by_name.get(model).map_or(0, |entry| entry.versions.len() as u64);
        Ok((1..=n_versions).collect())
    }

    async fn rollout(&self, model: &str) -> Result<Rollout, RegistryError> {
        Ok(self.models.lock().by_name.get(model).map(|entry| entry.rollout.clone()).unwrap_or_default())
    }

    async fn set_rollout(
        &self,
        model: &str,
        expected: &Rollout,
        change: Change,
    ) -> Result<(), RegistryError> {
        let mut models = self.models.lock();
        if let Some(version) =
            change.rollout.versions().find(|&version| models.version(model, version).is_none())
        {
            return Err(RegistryError::NotFound { model: model.to_owned(), version });
        }
        // A model never published has the empty rollout, and only that can be set for it.
        let mut unpublished = Entry::default();
        let entry = models.by_name.get_mut(model).unwrap_or(&mut unpublished);
        if entry.rollout != *expected {
            return Err(RegistryError::Conflict { model: model.to_owned() });
        }
        entry.rollout = change.rollout.clone();
        change.record(&mut entry.changes);
        Ok(())
    }

    async fn changes(&self, model: &str) -> Result<Vec<Change>, RegistryError> {
        Ok(self.models.lock().by_name.get(model).map(|entry| entry.changes.clone()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[tokio::test]
    async fn changed_bytes_are_not_handed_out() {
        let registry = MemoryRegistry::default();
        registry.publish("als", "weights".into()).await.unwrap();
        registry.models.lock().by_name.get_mut("als").unwrap().versions[0].0 = "weighty".into();
        assert!(matches!(registry.load("als", 1).await, Err(RegistryError::Corrupt { version: 1, .. })));
    }

    #[tokio::test]
    async fn a_full_registry_refuses_and_says_why() {
        let registry = MemoryRegistry::with_capacity(10);
        registry.publish("als", "weights".into()).await.unwrap();
        let refused = registry.publish("als", "weights".into()).await.unwrap_err();
        let cause = refused.source().unwrap().to_string();
        assert_eq!(cause, "it holds at most 10 bytes of artifacts, with this one 14");
        assert_eq!(registry.publish("als", "abc".into()).await.unwrap(), 2, "a smaller one still fits");
    }
}
