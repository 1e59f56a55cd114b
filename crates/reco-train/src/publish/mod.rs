//! Snapshots in a registry: what is published beside them, and how they are loaded again.

mod metadata;
#[cfg(test)]
mod tests;
mod weights;

pub use metadata::{DataFacts, Metadata, OtherOrder, learned};

use crate::fit::stored::{self, StoredError};
use reco_core::error::BoxError;
use reco_core::file;
use reco_core::rank::WideDeep;
use reco_core::rank::trees::Boosted;
use reco_core::registry::{FolderRegistry, RegistryError};
use reco_core::snapshot::Snapshot;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// The description of a version, in its folder.
pub const METADATA: &str = "metadata.json";
/// The weights of the neural ranker, where there is one, for other tools; serving reads those in the snapshot.
pub const WEIGHTS: &str = "wide_deep.safetensors";
/// The boosted trees, where there are any, likewise.
pub const TREES: &str = "boosted.safetensors";

/// Why a version cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The registry refuses it.
    #[error("{}", told(.0))]
    Registry(#[from] RegistryError),
    /// The snapshot in it is refused, such as one of another format.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// The description makes no sense.
    #[error("{METADATA} of version {version}: {cause}")]
    Metadata {
        /// Version asked for.
        version: u64,
        /// What is wrong.
        cause: io::Error,
    },
}

/// An error of the registry with what lies behind it.
fn told(error: &RegistryError) -> String {
    match error {
        RegistryError::Store(cause) => format!("{error}: {cause}"),
        error => error.to_string(),
    }
}

/// Publishes a snapshot with its description, and its learned rankers as safetensors where it has any.
///
/// # Errors
///
/// [`RegistryError::Store`] when something cannot be written; nothing is published then.
pub fn publish(
    registry: &FolderRegistry,
    model: &str,
    snapshot: &Snapshot,
    metadata: &Metadata,
) -> Result<u64, RegistryError> {
    registry.publish_files(model, |folder| write(folder, snapshot, metadata))
}

fn write(folder: &Path, snapshot: &Snapshot, metadata: &Metadata) -> Result<(), BoxError> {
    stored::save(snapshot, &folder.join(FolderRegistry::ARTIFACT))?;
    let put = |name: &str, bytes: &[u8]| file::replace(&folder.join(name), |file| file.write_all(bytes));
    if let Some(ranker) = snapshot.models.get::<WideDeep>(WideDeep::NAME) {
        put(WEIGHTS, &weights::of_network(ranker)?)?;
    }
    if let Some(ranker) = snapshot.models.get::<Boosted>(Boosted::NAME) {
        put(TREES, &weights::of_trees(ranker)?)?;
    }
    Ok(put(METADATA, &serde_json::to_vec_pretty(metadata)?)?)
}

/// Loads a version; the snapshot goes by the version's name, `v3`, which pages then bear.
///
/// # Errors
///
/// [`LoadError`] for a version that is not there, or any file of which is damaged, missing or newer.
pub fn load(registry: &FolderRegistry, model: &str, version: u64) -> Result<Snapshot, LoadError> {
    let folder = registry.open(model, version)?;
    let snapshot = stored::load(&folder.join(FolderRegistry::ARTIFACT))?;
    Ok(Snapshot { version: format!("v{version}").into(), ..snapshot })
}

/// Reads a version's description, of a damaged version, too, where that can be read.
///
/// # Errors
///
/// [`LoadError::Registry`] for a version that is not there, [`LoadError::Metadata`] for a description that cannot be read.
pub fn metadata(registry: &FolderRegistry, model: &str, version: u64) -> Result<Metadata, LoadError> {
    let folder = registry.folder(model, version)?;
    let unreadable = |cause| LoadError::Metadata { version, cause };
    let text = fs::read(folder.join(METADATA)).map_err(unreadable)?;
    serde_json::from_slice(&text).map_err(|cause| unreadable(cause.into()))
}
