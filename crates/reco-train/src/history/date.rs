//! The files of one date.

use super::part::{self, Part, PartError};
use reco_core::live::Places;
use reco_core::store::Delivery;
use reco_core::time::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tracing::warn;

/// As many files of about the same size are merged into one.
const MOST_ALIKE: usize = 16;

/// A folder with what happened on one date.
#[derive(Debug)]
pub(super) struct DateFolder {
    path: PathBuf,
    parts: Vec<Part>,
    /// Files with rows that cannot be read stay as they are.
    damaged: Vec<Part>,
    /// What the files are about, taken together.
    covered: Places,
}

/// The date in UTC, as 2026-11-22.
pub(crate) fn date_of(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    moment.strftime("%Y-%m-%d").to_string()
}

/// All files of a folder, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, PartError> {
    let io = |cause| PartError::io(folder, cause);
    let entries = fs::read_dir(folder).map_err(io)?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(io)?;
    files.sort();
    Ok(files)
}

/// Finishes a merge that was cut off, and removes what was only begun.
pub(super) fn finish(folder: &Path) -> Result<(), PartError> {
    for path in files(folder)? {
        if Part::is_merge(&path) {
            if let Some(part) = unless_damaged(&path)? {
                part.take_over()?;
            }
        } else if Part::is_unfinished(&path) {
            fs::remove_file(&path).map_err(|cause| PartError::io(&path, cause))?;
        }
    }
    Ok(())
}

/// Looks at a file. One that is damaged is moved aside: it must not hold up what is written from now on.
fn unless_damaged(path: &Path) -> Result<Option<Part>, PartError> {
    match Part::read(path) {
        Err(error) if error.is_damage() => {
            let aside = part::set_aside(path)?;
            warn!("{error}; it is {} now, and its events are not in the history", aside.display());
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Files with all events of a date, each once, in whatever state a process that was killed has left the folder: a merged file
/// that does not have its name yet stands for those that it takes the place of.
pub(super) fn readable(folder: &Path) -> Result<Vec<PathBuf>, PartError> {
    let files = files(folder)?;
    let mut readable: Vec<PathBuf> = files.iter().filter(|path| Part::is_finished(path)).cloned().collect();
    for path in files.into_iter().filter(|path| Part::is_merge(path)) {
        let merged = Part::read(&path)?;
        readable.retain(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            !merged.replaces().iter().any(|replaced| *replaced == name)
        });
        readable.push(path);
    }
    Ok(readable)
}

impl DateFolder {
    /// Looks at what is there, and finishes a merge that was cut off.
    pub(super) fn open(path: PathBuf) -> Result<Self, PartError> {
        fs::create_dir_all(&path).map_err(|cause| PartError::io(&path, cause))?;
        finish(&path)?;
        let mut parts = Vec::new();
        for path in files(&path)?.into_iter().filter(|path| Part::is_finished(path)) {
            parts.extend(unless_damaged(&path)?);
        }
        let mut covered = Places::default();
        parts.iter().for_each(|part| covered.extend(&part.places));
        Ok(Self { path, parts, damaged: Vec::new(), covered })
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
    /// logarithm of the number of files. After an error this no longer knows what is there: open the folder anew.
    fn merge(&mut self) -> Result<(), PartError> {
        let mut alike: BTreeMap<u32, usize> = BTreeMap::new();
        let size = |part: &Part| part.rows.max(1).ilog(MOST_ALIKE as u64);
        self.parts.iter().for_each(|part| *alike.entry(size(part)).or_default() += 1);
        let many = alike.into_iter().find(|(_, n_parts)| *n_parts >= MOST_ALIKE);
        let Some((many, _)) = many else { return Ok(()) };
        let (merged, others) =
            std::mem::take(&mut self.parts).into_iter().partition(|part| size(part) == many);
        self.parts = others;
        match Part::merge(&self.path, &merged) {
            Ok(part) => self.parts.push(part),
            Err(error) => {
                let (sound, damaged): (Vec<Part>, Vec<Part>) = merged.into_iter().partition(Part::is_sound);
                if damaged.is_empty() {
                    return Err(error);
                }
                for part in &damaged {
                    warn!("{}: cannot be read whole and is not merged; move it away", part.path().display());
                }
                self.parts.extend(sound);
                self.damaged.extend(damaged);
            }
        }
        self.merge()
    }
}
