//! Files of finished sessions, by date.

use super::at;
use super::running::Finished;
use crate::history::date_of;
use reco_core::event::Action;
use reco_core::id::{ItemKey, UserKey};
use reco_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// How many bytes of each file hold, by its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Files(BTreeMap<String, u64>);

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    user: &'a UserKey,
    started: String,
    ended: String,
    events: u64,
    actions: BTreeMap<&'a str, u64>,
    items: Vec<&'a ItemKey>,
    late: bool,
}

const BEGINNING: &str = "sessions-";
const ENDING: &str = ".jsonl";

/// Whether there are files of finished sessions.
pub(super) fn any_in(folder: &Path) -> io::Result<bool> {
    Ok(!names(folder)?.is_empty())
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|cause| at(folder, cause))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>().map_err(|cause| at(folder, cause))?;
    names.retain(|name| name.starts_with(BEGINNING) && name.ends_with(ENDING));
    Ok(names)
}

impl Files {
    /// Removes what was written after this.
    pub(super) fn cut(&self, folder: &Path) -> io::Result<()> {
        for name in names(folder)? {
            let path = folder.join(&name);
            let cut = match self.0.get(&name) {
                Some(length) => cut(&path, *length).map(drop),
                None => fs::remove_file(&path),
            };
            cut.map_err(|cause| at(&path, cause))?;
        }
        Ok(())
    }

    /// Writes sessions behind those that hold, and waits until they are on the disk. Which hold then is the answer.
    pub(super) fn append(&self, folder: &Path, sessions: &[Finished]) -> io::Result<Self> {
        let mut by_date: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for session in sessions {
            let lines = by_date.entry(date_of(session.visit.started)).or_default();
            serde_json::to_writer(&mut *lines, &Line::of(session))?;
            lines.push(b'\n');
        }
        let mut files = self.clone();
        for (date, lines) in by_date {
            let name = format!("{BEGINNING}{date}{ENDING}");
            let path = folder.join(&name);
            let length = self.0.get(&name).copied().unwrap_or_default();
            let length = append(&path, length, &lines).map_err(|cause| at(&path, cause))?;
            files.0.insert(name, length);
        }
        Ok(files)
    }
}

/// Returns the length that the file has then.
fn append(path: &Path, length: u64, lines: &[u8]) -> io::Result<u64> {
    let is_new = !path.exists();
    let mut file = cut(path, length)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(lines)?;
    file.sync_all()?;
    if let Some(folder) = path.parent().filter(|_| is_new && cfg!(unix)) {
        File::open(folder)?.sync_all()?;
    }
    file.stream_position()
}

/// Somebody may have made it shorter.
fn cut(path: &Path, length: u64) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    if file.metadata()?.len() > length {
        file.set_len(length)?;
    }
    Ok(file)
}

impl<'a> Line<'a> {
    fn of(Finished { user, visit }: &'a Finished) -> Self {
        Self {
            user,
            started: written(visit.started),
            ended: written(visit.ended),
            events: visit.events,
            actions: visit.actions.iter().map(|(action, count)| (Action::name(action), *count)).collect(),
            items: visit.items().collect(),
            late: visit.is_late,
        }
    }
}

/// As 2026-11-22T14:05:00Z.
fn written(moment: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(moment.millis()).unwrap_or_default().to_string()
}
