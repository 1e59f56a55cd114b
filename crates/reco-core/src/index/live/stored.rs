//! Live indexes in files: what was built, what went and what came since.

use super::super::file::{
    FileError, Incoming, Outgoing, Problem, built_in, load_parts, open_parts, parts_of, save_parts,
};
use super::super::{VectorIndex, check_vector};
use super::LiveIndex;
use super::state::{Built, Frozen, State};
use crate::id::ItemId;
use std::path::Path;

#[cfg(test)]
mod tests;

impl LiveIndex {
    /// Writes all there is to a [file](crate::index::file), built or not, and returns the file's length in
    /// bytes. Searches and changes go on meanwhile; what changes then is not in the file. The file appears
    /// whole or not at all.
    ///
    /// ```
    /// use reco_core::id::ItemId;
    /// use reco_core::index::{LiveIndex, Metric, VectorIndexExt};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("colours.index");
    /// let index = LiveIndex::new(2, Metric::L2);
    /// index.insert(ItemId::new(7), &[1.0, 0.0])?;
    /// index.save(&path)?;
    ///
    /// let again = LiveIndex::open(&path)?;
    /// again.insert(ItemId::new(9), &[0.0, 1.0])?;
    /// assert_eq!(again.find(&[0.9, 0.0], 1, None)?.ids, [ItemId::new(7)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FileError`] with [`Problem::Io`] when it cannot be written.
    pub fn save(&self, path: &Path) -> Result<u64, FileError> {
        // The lock is let go with this statement.
        let frozen = self.state.read().freeze();
        save_parts(&frozen.parts(), path)
    }

    /// Goes on from what was saved. The file is mapped, as [`file::open`](crate::index::file::open) does; the
    /// first compaction lets go of it. The file of an index that does not change will do, too: vector i is
    /// item i then.
    ///
    /// # Errors
    ///
    /// [`FileError`] for a file that is missing, foreign, newer, cut short or damaged; never a panic.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Ok(Self::with(open_parts(path, State::read)?.1))
    }

    /// The same from a copy in memory, all of which is checked.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Ok(Self::with(load_parts(path, State::read)?.1))
    }
}

impl Frozen {
    /// What goes into a file.
    pub(super) fn parts(&self) -> Outgoing<'_> {
        let raw = |items: &mut dyn Iterator<Item = ItemId>| items.map(ItemId::raw).collect::<Vec<u32>>();
        let gone = (0u32..).zip(&self.gone).filter(|(_, gone)| **gone).map(|(row, _)| row);
        let mut parts = parts_of(&self.built.index).live();
        parts.add_copy("ids", &raw(&mut self.built.items.iter().copied()));
        parts.add_copy("gone", &gone.collect::<Vec<u32>>());
        parts
            .add_copy("recent", &self.recent().flat_map(|(_, vector)| vector).copied().collect::<Vec<f32>>());
        parts.add_copy("recents", &raw(&mut self.recent().map(|(item, _)| item)));
        parts
    }
}

impl State {
    /// Reads what [`parts`](Frozen::parts) wrote, or an index without changes.
    pub(super) fn read(parts: &Incoming) -> Result<Self, Problem> {
        let index = built_in(parts)?;
        if !parts.is_live() {
            let items = (0..index.len() as u32).map(ItemId::new).collect();
            return Ok(Self::new(Built { index, items }));
        }
        let ids = parts.array::<u32>("ids")?;
        if ids.len() != index.len() || !is_ascending(&ids) {
            return Err(Problem::section("ids"));
        }
        let rows = parts.array::<u32>("gone")?;
        if !is_ascending(&rows) || rows.last().is_some_and(|&row| row as usize >= index.len()) {
            return Err(Problem::section("gone"));
        }
        let mut gone = vec![false; index.len()];
        rows.iter().for_each(|&row| gone[row as usize] = true);
        let (values, recent) = (parts.array::<f32>("recent")?, parts.array::<u32>("recents")?);
        if recent.len().checked_mul(index.dim()) != Some(values.len()) || !can_be_compared(&values, &index) {
            return Err(Problem::section("recent"));
        }
        let [ids, recent] = [ids, recent].map(|items| items.iter().copied().map(ItemId::new).collect());
        Self::stored(Built { index, items: ids }, gone, recent, values.to_vec())
            .ok_or_else(|| Problem::section("recents"))
    }
}

fn is_ascending(numbers: &[u32]) -> bool {
    numbers.is_sorted_by(|a, b| a < b)
}

/// Whether all vectors in `values` are such as the index could have been given.
fn can_be_compared(values: &[f32], index: &impl VectorIndex) -> bool {
    let mut vectors = values.chunks_exact(index.dim().max(1));
    vectors.all(|vector| check_vector(vector, index.metric(), String::new).is_ok())
}
