//! From a request to a page: the only room that knows all others.
