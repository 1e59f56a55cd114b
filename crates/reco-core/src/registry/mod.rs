//! Versioned model artifacts and which of them serves.

mod folder;
mod memory;
mod rollout;

pub use folder::FolderRegistry;
pub use memory::MemoryRegistry;
pub use rollout::{Alias, Change, Rollout};

use crate::error::BoxError;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;

/// Versioned model bytes. Versions count from 1 per model and never change once published.
///
/// ```
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use reco_core::conformance;
/// use reco_core::registry::{Change, MemoryRegistry, ModelRegistry, RegistryError, Rollout};
///
/// /// Keeps one team's models apart from the others'.
/// #[derive(Debug)]
/// struct Team<R>(&'static str, R);
///
/// impl<R> Team<R> {
///     fn full(&self, model: &str) -> String {
///         format!("{}/{model}", self.0)
///     }
///     /// Errors speak of the model as the caller named it.
///     fn told(model: &str, error: RegistryError) -> RegistryError {
///         let model = model.to_owned();
///         match error {
///             RegistryError::NotFound { version, .. } => RegistryError::NotFound { model, version },
///             RegistryError::Corrupt { version, what, .. } => RegistryError::Corrupt { model, version, what },
///             RegistryError::Conflict { .. } => RegistryError::Conflict { model },
///             other => other,
///         }
///     }
/// }
///
/// #[async_trait]
/// impl<R: ModelRegistry> ModelRegistry for Team<R> {
///     async fn publish(&self, model: &str, artifact: Bytes) -> Result<u64, RegistryError> {
///         self.1.publish(&self.full(model), artifact).await.map_err(|error| Self::told(model, error))
///     }
///     async fn load(&self, model: &str, version: u64) -> Result<Bytes, RegistryError> {
///         self.1.load(&self.full(model), version).await.map_err(|error| Self::told(model, error))
///     }
///     async fn versions(&self, model: &str) -> Result<Vec<u64>, RegistryError> {
///         self.1.versions(&self.full(model)).await.map_err(|error| Self::told(model, error))
///     }
///     async fn rollout(&self, model: &str) -> Result<Rollout, RegistryError> {
///         self.1.rollout(&self.full(model)).await.map_err(|error| Self::told(model, error))
///     }
///     async fn set_rollout(&self, model: &str, expected: &Rollout, change: Change) -> Result<(), RegistryError> {
///         self.1.set_rollout(&self.full(model), expected, change).await.map_err(|error| Self::told(model, error))
///     }
///     async fn changes(&self, model: &str) -> Result<Vec<Change>, RegistryError> {
///         self.1.changes(&self.full(model)).await.map_err(|error| Self::told(model, error))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// conformance::model_registry(&Team("search", MemoryRegistry::default())).await;
/// # });
/// ```
#[async_trait]
pub trait ModelRegistry: Debug + Send + Sync + 'static {
    /// Stores a new version and returns its number.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`] when it was not stored.
    async fn publish(&self, model: &str, artifact: Bytes) -> Result<u64, RegistryError>;

    /// Reads a version whose checksum has been verified.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`], [`RegistryError::Corrupt`] when the bytes are not those published, or
    /// [`RegistryError::Newer`].
    async fn load(&self, model: &str, version: u64) -> Result<Bytes, RegistryError>;

    /// All versions of a model, ascending; empty for a model never published.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`] when the registry cannot be read.
    async fn versions(&self, model: &str) -> Result<Vec<u64>, RegistryError>;

    /// What is live; the default for a model never rolled out.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`] when the registry cannot be read.
    async fn rollout(&self, model: &str) -> Result<Rollout, RegistryError>;

    /// Replaces the rollout by that of the change if it is still `expected` (compare and swap), and puts the change on
    /// record: both or neither.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Conflict`] when somebody else was faster; [`RegistryError::NotFound`] when
    /// the change names a version that does not exist.
    async fn set_rollout(&self, model: &str, expected: &Rollout, change: Change)
    -> Result<(), RegistryError>;

    /// How the rollout came to be: the changes on record, the latest last; the latest [`Change::ON_RECORD`] at least.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`] when the registry cannot be read.
    async fn changes(&self, model: &str) -> Result<Vec<Change>, RegistryError>;
}

/// Failures of a [`ModelRegistry`]; off the request path, so no [`Fault`](crate::error::Fault).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No such model or version.
    #[error("model `{model}` has no version {version}")]
    NotFound {
        /// Model name.
        model: String,
        /// Version asked for.
        version: u64,
    },
    /// The stored bytes are not those that were published.
    #[error("version {version} of model `{model}` is corrupt: {what}")]
    Corrupt {
        /// Model name.
        model: String,
        /// Version asked for.
        version: u64,
        /// Which file, where there are several, and how that shows.
        what: String,
    },
    /// A later reco wrote it.
    #[error("version {version} of model `{model}` has format {found}, this reco reads {known}")]
    Newer {
        /// Model name.
        model: String,
        /// Version asked for.
        version: u64,
        /// Its format.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// Somebody else changed the rollout first.
    #[error("the rollout of `{model}` changed meanwhile; read it again")]
    Conflict {
        /// Model name.
        model: String,
    },
    /// The store failed.
    #[error("the registry's store failed")]
    Store(#[source] BoxError),
}
