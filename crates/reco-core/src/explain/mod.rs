//! Why an item is on the page, and why not.

mod trail;
mod words;

pub use trail::Trail;
pub use words::{reasons, why_not_sentence};
