//! The shipped data, inside the binary: `reco` works from any folder, without a network.

use reco_train::data::{DataError, Dataset};

/// A sample of a year of grocery purchases; see `demo/README.md` for its source and licence.
pub(crate) const NAME: &str = "demo (grocery purchases of 2017, see demo/README.md)";

/// Reads it.
pub(crate) fn load() -> Result<Dataset, DataError> {
    Dataset::from_parquet_bytes(
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/items.parquet")),
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/users.parquet")),
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/interactions.parquet")),
    )
}
