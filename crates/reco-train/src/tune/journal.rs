//! The journal of a search: one line a finished task, safe on disk before the next is taken up.

use super::schedule::{Finished, Judgement};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An open journal. It is locked: a second search that wants the same one is refused.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

/// What an earlier run left in a journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Finished tasks, in the order in which they were finished.
    pub finished: Vec<Finished>,
    /// Judgements on the test part.
    pub tested: Vec<Tested>,
}

/// A trial's figures on the test part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// The trial.
    pub tested: usize,
    /// Its figures.
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system says no.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What it says.
        cause: io::Error,
    },
    /// Another process writes it.
    #[error("{}: another search is writing it", .0.display())]
    Busy(PathBuf),
    /// A line is none of a journal's.
    #[error(
        "{}: line {line} is not one of a search's journal: {problem}; take it away, or choose another folder to search anew",
        .path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// It is of a search for something else.
    #[error(
        "{} is the journal of another search; choose another folder to search anew, or go on with what it has:\n  - {}",
        .path.display(), .differences.join("\n  - ")
    )]
    OtherSearch {
        /// The journal.
        path: PathBuf,
        /// What differs, one line each.
        differences: Vec<String>,
    },
}

/// The first line: what the search is for, by name.
#[derive(Serialize, Deserialize)]
struct Header {
    search: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Tested(Tested),
    Finished(Finished),
}

impl Journal {
    /// Opens the journal at `path`, or begins it. `search` is everything by name that the outcomes depend on. A last
    /// line that was cut short, as by a kill, is taken away.
    ///
    /// # Errors
    ///
    /// [`JournalError`]; nothing was changed then.
    pub fn open(path: &Path, search: &Map<String, Value>) -> Result<(Self, Kept), JournalError> {
        let io = |cause| JournalError::Io { path: path.to_owned(), cause };
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(io(cause)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        // As it would be read, for the last digit of a number may be another then.
        let as_read: Header = reread(&Header { search: search.clone() }).map_err(|cause| io(cause.into()))?;
        let kept = read(path, &bytes[..whole], &as_read.search)?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(io)?;
            file.seek(SeekFrom::End(0)).map_err(io)?;
        }
        let mut journal = Self { file, path: path.to_owned() };
        if whole == 0 {
            journal.append(&Header { search: search.clone() })?;
        }
        Ok((journal, kept))
    }

    /// Writes a finished task and gives it back as it is read from the journal, so that a search that goes on later
    /// knows the very same.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn finished(&mut self, finished: &Finished) -> Result<Finished, JournalError> {
        self.append(finished)
    }

    /// Likewise for a judgement on the test part.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn tested(&mut self, tested: &Tested) -> Result<Tested, JournalError> {
        self.append(tested)
    }

    fn append<T: Serialize + for<'a> Deserialize<'a>>(&mut self, value: &T) -> Result<T, JournalError> {
        let mut written = || {
            let mut line = serde_json::to_string(value)?;
            line.push('\n');
            self.file.write_all(line.as_bytes())?;
            self.file.sync_data()?;
            Ok(reread(value)?)
        };
        written().map_err(|cause| JournalError::Io { path: self.path.clone(), cause })
    }
}

fn reread<T: Serialize + for<'a> Deserialize<'a>>(value: &T) -> serde_json::Result<T> {
    serde_json::from_str(&serde_json::to_string(value)?)
}

fn read(path: &Path, bytes: &[u8], search: &Map<String, Value>) -> Result<Kept, JournalError> {
    let mut kept = Kept::default();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let damaged = |error: serde_json::Error| JournalError::Damaged {
            path: path.to_owned(),
            line: number + 1,
            problem: error.to_string(),
        };
        if number == 0 && !line.is_empty() {
            let header: Header = serde_json::from_slice(line).map_err(damaged)?;
            let differences = differences(&header.search, search);
            if !differences.is_empty() {
                return Err(JournalError::OtherSearch { path: path.to_owned(), differences });
            }
        } else if !line.is_empty() {
            match serde_json::from_slice(line).map_err(damaged)? {
                Line::Tested(tested) => kept.tested.push(tested),
                Line::Finished(finished) => kept.finished.push(finished),
            }
        }
    }
    Ok(kept)
}

/// What two searches differ in, one line each.
fn differences(there: &Map<String, Value>, here: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<&String> = there.keys().chain(here.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let shown = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
    let mut lines = Vec::new();
    for name in names {
        match (there.get(name), here.get(name)) {
            (there, here) if there == here => {}
            (Some(Value::Object(there)), Some(Value::Object(here))) => {
                lines.extend(differences(there, here).into_iter().map(|line| format!("{name}.{line}")));
            }
            (there, here) => lines.push(format!("{name} is {} there and {} here", shown(there), shown(here))),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::schedule::{Outcome, Task};
    use super::*;
    use serde_json::json;

    fn search(seed: u64) -> Map<String, Value> {
        json!({ "seed": seed, "space": { "x": [1, 2] } }).as_object().unwrap().clone()
    }

    fn finished(task: usize) -> Finished {
        let task = Task { task, trial: task, share: 1.0, settings: [("x".to_owned(), json!(0.1))].into() };
        let judgement = Judgement { value: 1.0 / 3.0, ..Judgement::default() };
        Finished { task, outcome: Outcome::Judged(judgement), seconds: 0.1 }
    }

    #[test]
    fn wherever_it_is_cut_whole_lines_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.jsonl");
        let (mut journal, kept) = Journal::open(&path, &search(1)).unwrap();
        assert_eq!(kept, Kept::default());
        let first = journal.finished(&finished(0)).unwrap();
        let both = [first, journal.finished(&finished(1)).unwrap()];
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').collect();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, kept) = Journal::open(&path, &search(1)).unwrap();
            let n = ends.iter().filter(|&&end| end < cut).count();
            let expected = &both[..n.saturating_sub(1)];
            assert_eq!(kept.finished, expected, "cut at {cut}");
            journal.finished(&finished(2)).unwrap();
            drop(journal);
            let (_, again) = Journal::open(&path, &search(1)).unwrap();
            assert_eq!(again.finished.len(), expected.len() + 1, "cut at {cut}");
        }
    }

    #[test]
    fn other_searches_and_damage_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.jsonl");
        let (journal, _) = Journal::open(&path, &search(1)).unwrap();
        assert!(matches!(Journal::open(&path, &search(1)), Err(JournalError::Busy(_))));
        drop(journal);
        let told = |search: &Map<String, Value>| Journal::open(&path, search).unwrap_err().to_string();
        assert!(told(&search(2)).contains("seed is 1 there and 2 here"), "{}", told(&search(2)));
        let wider = json!({ "seed": 1, "space": { "x": [1] } });
        assert!(told(wider.as_object().unwrap()).contains("space.x is [1,2] there and [1] here"));
        let text = std::fs::read_to_string(&path).unwrap() + "{\"task\": \n";
        std::fs::write(&path, text).unwrap();
        assert!(told(&search(1)).contains("line 2 is not"), "{}", told(&search(1)));
    }
}
