//! Making a value once for all who wait for it.

use super::Layer;
use crate::error::Fault;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A value, or that there is none, and where it was found.
pub(super) type Outcome<T> = Result<(Option<T>, Layer), Fault>;

/// A value on its way; whoever waits for it, and whoever made it begin, waits for the same.
pub(super) type Flight<T> = Shared<BoxFuture<'static, Outcome<T>>>;

/// All values on their way, by key.
pub(super) struct Flights<T>(Arc<Mutex<ByKey<T>>>);

type ByKey<T> = FxHashMap<Arc<str>, (Flight<T>, Wanted)>;

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// Whether what is made may be kept: not if the key was removed meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Wanted(Arc<Mutex<bool>>);

impl Wanted {
    pub(super) fn get(&self) -> bool {
        *self.0.lock()
    }

    /// Does something that must not happen after the key was removed.
    pub(super) fn then(&self, act: impl FnOnce()) {
        let is_wanted = self.0.lock();
        if *is_wanted {
            act();
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// The flight for `key`, and whether it begins with this.
    pub(super) fn join(
        &self,
        key: &str,
        begin: impl FnOnce(Arc<str>, Wanted) -> BoxFuture<'static, Outcome<T>>,
    ) -> (Flight<T>, bool) {
        let mut flights = self.0.lock();
        if let Some((flight, _)) = flights.get(key) {
            return (flight.clone(), false);
        }
        let (key, wanted) = (Arc::<str>::from(key), Wanted(Arc::new(Mutex::new(true))));
        let all = Arc::clone(&self.0);
        let making = begin(Arc::clone(&key), wanted.clone());
        let (name, own) = (Arc::clone(&key), wanted.clone());
        let flight = making
            .inspect(move |_| {
                // Another flight may have begun after this one was abandoned.
                let mut flights = all.lock();
                if flights.get(&name).is_some_and(|(_, other)| Arc::ptr_eq(&other.0, &own.0)) {
                    flights.remove(&name);
                }
            })
            .boxed()
            .shared();
        flights.insert(key, (flight.clone(), wanted));
        (flight, true)
    }

    /// Lets nobody join the flight any more, and keeps nothing of it.
    pub(super) fn abandon(&self, key: &str) {
        if let Some((_, wanted)) = self.0.lock().remove(key) {
            *wanted.0.lock() = false;
        }
    }
}
