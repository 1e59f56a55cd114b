//! What every implementation of a trait must do; adapters run these against the real thing.
