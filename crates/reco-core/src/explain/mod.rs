//! Why an item is on the page, and why not.
