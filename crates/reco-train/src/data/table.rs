//! Parquet files of one table.

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use reco_core::file;
use std::io;
use std::path::Path;

/// Writes a table; the file appears whole or not at all.
pub(crate) fn save(table: &RecordBatch, path: &Path) -> io::Result<()> {
    let level = ZstdLevel::try_new(3).map_err(io::Error::other)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    file::replace(path, |file| {
        let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties))?;
        writer.write(table)?;
        writer.close()?;
        Ok(())
    })
}
