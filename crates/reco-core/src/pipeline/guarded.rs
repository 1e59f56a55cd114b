//! Calling a part without trusting it: a panic becomes a fault.

use crate::error::{Fault, FaultKind};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Runs one call into a component. Whatever it left half done must be discarded by the caller.
pub(super) fn guarded<T>(component: &str, call: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|fault| Fault { component: Arc::from(component), ..fault }),
        Err(panic) => Err(Fault::new(component, FaultKind::Internal).because(panic_message(&*panic))),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_fault_with_its_message() {
        let fault = guarded::<()>("part", || panic!("index {} out of range", 7)).unwrap_err();
        assert_eq!(fault.message(), "part: internal error: panicked: index 7 out of range");
    }
}
