//! One immutable model generation: everything a request reads that training made.

use crate::catalog::Catalog;
use crate::interactions::{Histories, UserTable};
use crate::time::Timestamp;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// The catalogue, the users' histories and every model of one generation.
///
/// A request pins one snapshot, so a swap never tears an answer. Item ids are
/// valid only together with the snapshot whose catalogue issued them.
///
/// Cheap to clone: all that is large is shared.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Names this generation in responses and logs.
    pub version: Arc<str>,
    /// The moment the data ends.
    pub data_until: Timestamp,
    /// Items.
    pub catalog: Catalog,
    /// Users the models know.
    pub users: UserTable,
    /// What each of those users did, by row of `users`.
    pub histories: Histories,
    /// Fitted models by name.
    pub models: Models,
}

/// A fitted model: any plain, shareable value.
pub trait Model: Any + Debug + Send + Sync {}
impl<T: Any + Debug + Send + Sync> Model for T {}

/// Models by name, cheap to clone. A generator or ranker asks for the type it understands, so
/// a new kind of model needs no change here.
///
/// ```
/// use reco_core::snapshot::Models;
///
/// #[derive(Debug)]
/// struct Weights(Vec<f32>);
///
/// let mut models = Models::default();
/// models.insert("mine", Weights(vec![1.0]));
/// assert_eq!(models.get::<Weights>("mine").map(|weights| weights.0.len()), Some(1));
/// assert!(models.get::<String>("mine").is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Models(BTreeMap<Arc<str>, Arc<dyn Model>>);

impl Models {
    /// Adds a model, replacing one of the same name.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, model: impl Model) {
        self.0.insert(name.into(), Arc::new(model));
    }

    /// The model of that name, if there is one and it has that type.
    pub fn get<T: Model>(&self, name: &str) -> Option<&T> {
        let model: &dyn Any = &**self.0.get(name)?;
        model.downcast_ref()
    }

    /// All names, ascending.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }
}
