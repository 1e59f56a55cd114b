//! The registry of one process.

use super::{ModelRegistry, RegistryError, Rollout};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::Hasher;

/// Versions in memory, each with a checksum that is looked at on every load.
///
/// ```
/// use reco_core::registry::{MemoryRegistry, ModelRegistry, Rollout};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let registry = MemoryRegistry::default();
/// let version = registry.publish("als", "weights".into()).await?;
/// let next = Rollout { stable: Some(version), canary: None };
/// registry.set_rollout("als", &Rollout::default(), &next).await?;
/// assert_eq!(registry.rollout("als").await?, next);
/// # Ok::<(), reco_core::registry::RegistryError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Default)]
pub struct MemoryRegistry(Mutex<BTreeMap<String, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    /// Artifact and checksum; version n is at position n - 1.
    versions: Vec<(Bytes, u64)>,
    rollout: Rollout,
}

impl Entry {
    fn has(&self, version: u64) -> bool {
        (1..=self.versions.len() as u64).contains(&version)
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

#[async_trait]
impl ModelRegistry for MemoryRegistry {
    async fn publish(&self, model: &str, artifact: Bytes) -> Result<u64, RegistryError> {
        let mut models = self.0.lock();
        let entry = models.entry(model.to_owned()).or_default();
        let sum = checksum(&artifact);
        entry.versions.push((artifact, sum));
        Ok(entry.versions.len() as u64)
    }

    async fn load(&self, model: &str, version: u64) -> Result<Bytes, RegistryError> {
        let models = self.0.lock();
        let slot = version.checked_sub(1).and_then(|slot| usize::try_from(slot).ok());
        let found = slot.and_then(|slot| models.get(model)?.versions.get(slot));
        let (artifact, sum) =
            found.ok_or_else(|| RegistryError::NotFound { model: model.to_owned(), version })?;
        if checksum(artifact) != *sum {
            return Err(RegistryError::Corrupt { model: model.to_owned(), version });
        }
        Ok(artifact.clone())
    }

    async fn versions(&self, model: &str) -> Result<Vec<u64>, RegistryError> {
        let models = self.0.lock();
        let n_versions = models.get(model).map_or(0, |entry| entry.versions.len() as u64);
        Ok((1..=n_versions).collect())
    }

    async fn rollout(&self, model: &str) -> Result<Rollout, RegistryError> {
        Ok(self.0.lock().get(model).map(|entry| entry.rollout.clone()).unwrap_or_default())
    }

    async fn set_rollout(
        &self,
        model: &str,
        expected: &Rollout,
        next: &Rollout,
    ) -> Result<(), RegistryError> {
        let mut models = self.0.lock();
        let named = next.stable.into_iter().chain(next.canary.map(|(version, _)| version));
        let known = models.get(model);
        if let Some(version) =
            named.into_iter().find(|&version| !known.is_some_and(|entry| entry.has(version)))
        {
            return Err(RegistryError::NotFound { model: model.to_owned(), version });
        }
        let entry = models.entry(model.to_owned()).or_default();
        if entry.rollout != *expected {
            return Err(RegistryError::Conflict { model: model.to_owned() });
        }
        entry.rollout = next.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn conforms() {
        conformance::model_registry(&MemoryRegistry::default()).await;
    }
}
