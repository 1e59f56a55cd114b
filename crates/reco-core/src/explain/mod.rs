//! Why an item is on the page, and why not.

mod trail;

pub use trail::Trail;
