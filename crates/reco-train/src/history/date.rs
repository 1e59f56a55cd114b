//! The files of one date.

use super::part::{Part, PartError};
use reco_core::live::Places;
use reco_core::store::Delivery;
use reco_core::time::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// As many files of about the same size are merged into one.
const MOST_ALIKE: usize = 16;

/// A folder with what happened on one date.
#[derive(Debug)]
pub(super) struct DateFolder {
    path: PathBuf,
    parts: Vec<Part>,
    /// What the files are about, taken together.
    covered: Places,
}

/// The date in UTC, as 2026-11-22.
pub(super) fn date_of(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    moment.strftime("%Y-%m-%d").to_string()
}

impl DateFolder {
    /// Looks at what is there, and finishes a merge that was cut off.
    pub(super) fn open(path: PathBuf) -> Result<Self, PartError> {
        let io = |cause| PartError::io(&path, cause);
        fs::create_dir_all(&path).map_err(io)?;
        let mut parts = Vec::new();
        for entry in fs::read_dir(&path).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if Part::is_merge(&path) {
                Part::read(&path)?.take_over()?;
            } else if Part::is_unfinished(&path) {
                fs::remove_file(&path).map_err(|cause| PartError::io(&path, cause))?;
            }
        }
        for entry in fs::read_dir(&path).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if Part::is_finished(&path) {
                parts.push(Part::read(&path)?);
            }
        }
        let mut covered = Places::default();
        parts.iter().for_each(|part| covered.extend(&part.places));
        Ok(Self { path, parts, covered })
    }

    /// Writes those of these events that are not there yet; `places` is what of the log they were taken from.
    pub(super) fn write(&mut self, deliveries: Vec<&Delivery>, places: &Places) -> Result<(), PartError> {
        let is_new = |delivery: &&Delivery| !self.covered.contains(delivery.place);
        let mut new: Vec<&Delivery> = deliveries.into_iter().filter(is_new).collect();
        new.sort_unstable_by_key(|delivery| delivery.place);
        if !new.is_empty() {
            let part = Part::write(&self.path, &new, places)?;
            self.covered.extend(&part.places);
            self.parts.push(part);
        }
        self.merge()
    }

    /// Merges files of about the same size where they have become many; each event is so written again as often as the
    /// logarithm of the number of files.
    fn merge(&mut self) -> Result<(), PartError> {
        let mut alike: BTreeMap<u32, usize> = BTreeMap::new();
        let size = |part: &Part| part.rows.max(1).ilog(MOST_ALIKE as u64);
        self.parts.iter().for_each(|part| *alike.entry(size(part)).or_default() += 1);
        let many = alike.into_iter().find(|(_, n_parts)| *n_parts >= MOST_ALIKE);
        let Some((many, _)) = many else { return Ok(()) };
        let (merged, others) =
            std::mem::take(&mut self.parts).into_iter().partition(|part| size(part) == many);
        self.parts = others;
        let merge = Part::merge(&self.path, &merged);
        match merge {
            Ok(part) => self.parts.push(part),
            Err(error) => {
                // They are as they were, or the next opening sees to it.
                self.parts.extend(merged);
                return Err(error);
            }
        }
        self.merge()
    }
}
