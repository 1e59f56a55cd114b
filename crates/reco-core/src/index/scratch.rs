//! Working memory that is handed out and taken back, so that searches allocate nothing.

use parking_lot::Mutex;

/// As many values as were ever in use at the same time.
#[derive(Debug, Default)]
pub(super) struct Pool<T> {
    idle: Mutex<Vec<Box<T>>>,
}

impl<T: Default> Pool<T> {
    /// Lends a value to `work`.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let idle = self.idle.lock().pop();
        let mut value = idle.unwrap_or_default();
        let result = work(&mut value);
        self.idle.lock().push(value);
        result
    }
}
