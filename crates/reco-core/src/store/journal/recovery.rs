//! Opening a journal: what is there, what a killed process left, and which ids are known.

use super::known::Known;
use super::positions::Positions;
use super::recent::Recent;
use super::segment::{Blocks, Found, HEADER_BYTES, Look, Segment, sync};
use super::{Damage, JournalError, LogConfig, Recovery, Retention, State};
use crate::time::Timestamp;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// A journal that may be written to.
pub(super) struct Opened {
    pub(super) state: State,
    /// The last segment, to go on writing.
    pub(super) file: File,
    pub(super) known: Known,
    pub(super) recovery: Recovery,
    pub(super) lock: File,
}

pub(super) fn open(folder: &Path, config: &LogConfig, now: Timestamp) -> Result<Opened, JournalError> {
    let cannot = |cause| JournalError::io(folder, cause);
    fs::create_dir_all(folder).map_err(cannot)?;
    let lock = lock(folder)?;
    let positions = Positions::open(&folder.join("groups"))?;
    let mut segments = Segment::list(folder)?;
    let mut recovery = Recovery::default();
    let (mut end, mut file) = if let Some(last) = segments.last_mut() {
        mend(last, &mut recovery).map_err(|cause| JournalError::io(&last.path, cause))?
    } else {
        let (segment, file) = Segment::create(folder, 0, now).map_err(cannot)?;
        segments.push(segment);
        (0, file)
    };
    let known = known(&segments, config.remembered_ids, &mut recovery).map_err(cannot)?;
    // Where files went missing, positions that a group has seen are not given to other records.
    let seen = positions.iter().map(|(_, position)| position).max().unwrap_or(0);
    if seen > end {
        let (segment, begun) = Segment::create(folder, seen, now).map_err(cannot)?;
        segments.push(segment);
        (end, file) = (seen, begun);
    }
    let mut state = State { segments, end, recent: Recent::default(), positions, closed: false };
    Retention::of(config).apply(&mut state, now).map_err(cannot)?;
    sync(folder).map_err(cannot)?;
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync(parent).map_err(cannot)?;
    }
    Ok(Opened { state, file, known, recovery, lock })
}

/// One process writes; the system lets go of the lock when it ends, however it ends.
fn lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join("lock");
    let options = File::options().write(true).create(true).truncate(false).open(&path);
    let file = options.map_err(|cause| JournalError::io(&path, cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Busy(folder.to_owned())),
        Err(TryLockError::Error(cause)) => Err(JournalError::io(&path, cause)),
    }
}

/// Reads the last segment whole, cuts off what a killed process left at its end, and returns the position behind it
/// with the file to go on with.
fn mend(last: &mut Segment, recovery: &mut Recovery) -> io::Result<(u64, File)> {
    let (whole, end) = measure(last, &mut recovery.damaged)?;
    let file = File::options().read(true).write(true).open(&last.path)?;
    if whole < last.bytes {
        recovery.cut = Some((last.path.clone(), last.bytes - whole));
        file.set_len(whole)?;
        last.bytes = whole;
    }
    // A process that was killed may have written a whole block without having waited for the disk.
    file.sync_all()?;
    Ok((end, file))
}

/// The byte behind the last whole block of the last segment, and the position behind its last record. Damage that reaches
/// to the very end looks the same as a commit that was not finished.
fn measure(last: &Segment, damaged: &mut Vec<Damage>) -> io::Result<(u64, u64)> {
    let mut blocks = Blocks::of(last)?;
    let (mut whole, mut end) = (HEADER_BYTES as u64, last.first);
    loop {
        match blocks.next(Look::Whole, u64::MAX)? {
            Found::Block { .. } => (whole, end) = (blocks.offset(), blocks.expected()),
            Found::Damage(damage) => damaged.push(damage),
            Found::End => break,
        }
    }
    damaged.retain(|damage| damage.bytes.start < whole);
    Ok((whole, end))
}

/// What can be read of a journal that another process may be writing to. Nothing is repaired.
pub(super) fn look(folder: &Path) -> Result<State, JournalError> {
    let mut segments = Segment::list(folder)?;
    let mut end = 0;
    if let Some(last) = segments.last_mut() {
        let measured = measure(last, &mut Vec::new());
        (last.bytes, end) = measured.map_err(|cause| JournalError::io(&last.path, cause))?;
    }
    Ok(State { segments, end, recent: Recent::default(), positions: Positions::none(), closed: true })
}

/// The ids of the latest records, from as many segments as it takes.
fn known(segments: &[Segment], most: usize, recovery: &mut Recovery) -> io::Result<Known> {
    let mut latest: Vec<Vec<u128>> = Vec::new();
    let (mut n_ids, mut until) = (0, u64::MAX);
    for segment in segments.iter().rev() {
        let (ids, damaged) = ids(segment, until)?;
        if until < u64::MAX {
            // The last segment's is told already.
            recovery.damaged.extend(damaged);
        }
        n_ids += ids.len();
        latest.push(ids);
        if n_ids >= most {
            break;
        }
        until = segment.first;
    }
    let mut known = Known::new(most);
    latest.into_iter().rev().flatten().for_each(|id| known.insert(id));
    Ok(known)
}

fn ids(segment: &Segment, until: u64) -> io::Result<(Vec<u128>, Vec<Damage>)> {
    let mut blocks = Blocks::of(segment)?;
    let (mut ids, mut damaged) = (Vec::new(), Vec::new());
    loop {
        match blocks.next(Look::Ids, until)? {
            Found::Block { content, .. } => ids.extend(content.ids),
            Found::Damage(damage) => damaged.push(damage),
            Found::End => return Ok((ids, damaged)),
        }
    }
}
