//! Filters: what must not be shown.

mod availability;
mod history;
mod rules;
#[cfg(test)]
mod tests;

pub use availability::{Availability, OnSurface};
pub use history::{Rejected, Seen, SeenPolicy};
pub use rules::{Excluded, Only, Requested};

use crate::candidate::{Candidates, DropCode, KeepMask};
use crate::error::Fault;
use crate::query::Query;
use std::fmt::Debug;

/// Clears the rows that must not be shown. Cannot add, cannot reorder.
///
/// ```
/// use reco_core::candidate::{Candidates, DropCode, KeepMask};
/// use reco_core::error::Fault;
/// use reco_core::filter::Filter;
/// use reco_core::query::Query;
///
/// /// Nothing above a price.
/// #[derive(Debug)]
/// struct AtMost(f32);
///
/// impl Filter for AtMost {
///     fn name(&self) -> &str {
///         "at_most"
///     }
///     fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault> {
///         for (row, &id) in set.ids().iter().enumerate() {
///             if query.snapshot.catalog.price(id).is_some_and(|price| price > self.0) {
///                 keep.drop_row(row, 0);
///             }
///         }
///         Ok(())
///     }
///     fn reason(&self, _: DropCode) -> String {
///         format!("costs more than {}", self.0)
///     }
/// }
/// ```
pub trait Filter: Debug + Send + Sync + 'static {
    /// Stable name, used in metrics, explanations and configuration.
    fn name(&self) -> &str;

    /// Drops rows, each with a code of the filter's own choice.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when it cannot decide; what follows is up to the filter's
    /// [`OnFault`](crate::error::OnFault) policy.
    fn apply(&self, query: &Query, set: &Candidates, keep: &mut KeepMask) -> Result<(), Fault>;

    /// The code in words, as the end of "it was dropped because it …".
    fn reason(&self, code: DropCode) -> String;
}
