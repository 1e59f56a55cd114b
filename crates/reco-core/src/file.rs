//! Files that appear whole or not at all.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Links that one name may lead through, as on most systems.
const MOST_LINKS: usize = 40;

/// Writes a file whole or not at all: `fill` gets a new file beside it, which then takes its name. One that was
/// there before serves on for those who have it open. A link stays one: the file that it leads to is replaced.
///
/// # Errors
///
/// What `fill` says, and what the system says of the folder. [`io::ErrorKind::InvalidInput`] for a path that leads
/// to something that is no plain file (a folder, a device, a pipe): it stays as it was.
pub fn replace<T>(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    let path = behind_links(path)?;
    let (unfinished, file) = beside(&path)?;
    finish(file, &unfinished, &path, fill)
}

/// [`replace`] by a name that is always the same: what a writer that was killed left under it is written over.
/// Only for folders with one writer.
///
/// # Errors
///
/// Those of [`replace`].
pub fn replace_through<T>(
    unfinished: &Path,
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<T>,
) -> io::Result<T> {
    let path = behind_links(path)?;
    finish(File::create(unfinished)?, unfinished, &path, fill)
}

/// Writes a value whole or not at all, with a checksum; for files with one writer.
///
/// # Errors
///
/// Those of [`replace`].
pub(crate) fn keep<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let bytes = postcard::to_allocvec(value).map_err(io::Error::other)?;
    replace_through(&path.with_extension("unfinished"), path, |file| {
        file.write_all(&crc32fast::hash(&bytes).to_le_bytes())?;
        file.write_all(&bytes)
    })
}

/// What [`keep`] wrote; `None` where there is no file.
///
/// # Errors
///
/// When the file cannot be read, or is none of these: then `remedy` is said, too.
pub(crate) fn kept<T: DeserializeOwned>(path: &Path, remedy: &str) -> io::Result<Option<T>> {
    let wrong = |problem: String| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {problem}; {remedy}", path.display()))
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))),
    };
    let (sum, value) = bytes.split_first_chunk::<4>().ok_or_else(|| wrong("ends too early".to_owned()))?;
    if crc32fast::hash(value) != u32::from_le_bytes(*sum) {
        return Err(wrong("is not what was written: its checksum differs".to_owned()));
    }
    postcard::from_bytes(value).map(Some).map_err(|cause| wrong(format!("cannot be understood: {cause}")))
}

/// Whether [`replace`] could begin now, to know before hours of work go into what is to be written.
///
/// # Errors
///
/// Those of [`replace`].
pub fn check(path: &Path) -> io::Result<()> {
    let (unfinished, file) = beside(&behind_links(path)?)?;
    drop(file);
    fs::remove_file(unfinished)
}

/// Whether files can be written into a folder now. A folder that is not there yet is no error where it can be made.
///
/// # Errors
///
/// [`io::ErrorKind::NotADirectory`] where something else has the name of the folder or of one above it, and what
/// the system says of a folder that it does not let be written.
pub fn check_folder(folder: &Path) -> io::Result<()> {
    let above =
        folder.ancestors().map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let mut there = above.filter(|above| fs::symlink_metadata(above).is_ok());
    let nearest = there.next().unwrap_or(Path::new("."));
    if !fs::metadata(nearest)?.is_dir() {
        let problem = if nearest == folder {
            "is no folder".to_owned()
        } else {
            format!("{} is no folder", nearest.display())
        };
        return Err(io::Error::new(io::ErrorKind::NotADirectory, problem));
    }
    check(&nearest.join("reco"))
}

/// What a path leads to: a plain file, or nothing yet.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let kind = match fs::symlink_metadata(&path) {
            Ok(about) => about.file_type(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(cause) => return Err(cause),
        };
        if kind.is_file() {
            return Ok(path);
        }
        if !kind.is_symlink() {
            let what = if kind.is_dir() { "a folder" } else { "a device or a pipe" };
            let problem = format!("is {what}, must be a plain file or a new name");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let leads_to = fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("")).join(leads_to);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "leads from link to link, must be a plain file or a new name",
    ))
}

/// A new file beside `path`, by a name that no other call has. What a killed process left keeps its name.
fn beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    loop {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{call}.unfinished", process::id()));
        match File::create_new(&name) {
            Ok(file) => return Ok((name.into(), file)),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
    }
}

fn finish<T>(
    mut file: File,
    unfinished: &Path,
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<T>,
) -> io::Result<T> {
    let filled = fill(&mut file).and_then(|told| {
        file.sync_all()?;
        drop(file);
        fs::rename(unfinished, path)?;
        Ok(told)
    });
    match filled {
        Ok(told) => sync_folder(path).map(|()| told),
        Err(cause) => {
            // Best effort: what matters is the first error.
            let _ = fs::remove_file(unfinished);
            Err(cause)
        }
    }
}

/// The new name is safe once the folder is, where folders can be opened.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()).map(File::open) {
        Some(Ok(folder)) => folder.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) -> io::Result<()> {
        replace(path, |file| file.write_all(text.as_bytes()))
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.reco");
        put(&path, "old").unwrap();
        put(&path, "new").unwrap();
        replace(&path, |file| file.write_all(b"half").and(Err::<(), _>(io::Error::other("no")))).unwrap_err();
        check(&path).unwrap();
        assert_eq!(
            (fs::read_to_string(&path).unwrap().as_str(), names(folder.path())),
            ("new", vec!["a.reco".into()])
        );
    }

    #[test]
    fn files_that_share_a_stem_do_not_share_what_is_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("a.reco"), folder.path().join("a.bin"));
        replace(&one, |file| put(&other, "other").and_then(|()| file.write_all(b"one"))).unwrap();
        let read = |path| fs::read_to_string(path).unwrap();
        assert_eq!((read(one), read(other)), ("one".to_owned(), "other".to_owned()));
    }

    #[test]
    fn what_a_killed_process_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        for call in 0..200 {
            fs::write(folder.path().join(format!("a.{}-{call}.unfinished", process::id())), "").unwrap();
        }
        put(&folder.path().join("a"), "whole").unwrap();
    }

    #[test]
    fn folders_and_missing_folders_are_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (file, missing) = (folder.path().join("file"), folder.path().join("missing"));
        put(&file, "").unwrap();
        for (path, kind) in [
            (folder.path().to_owned(), io::ErrorKind::InvalidInput),
            (missing.join("a"), io::ErrorKind::NotFound),
            (file.join("a"), io::ErrorKind::NotADirectory),
        ] {
            assert_eq!(check(&path).unwrap_err().kind(), kind, "{path:?}");
            assert_eq!(put(&path, "new").unwrap_err().kind(), kind, "{path:?}");
        }
        assert_eq!(check_folder(&file.join("a")).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        check_folder(&missing.join("a")).unwrap();
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [link, other, target, round] =
            ["link", "other", "target", "round"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink("other", &link).unwrap();
        std::os::unix::fs::symlink(&target, &other).unwrap();
        std::os::unix::fs::symlink("round", &round).unwrap();
        // First it leads nowhere, then to a file.
        for text in ["old", "new"] {
            put(&link, text).unwrap();
            assert!(link.is_symlink() && other.is_symlink() && !target.is_symlink());
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
        }
        assert!(put(&round, "").unwrap_err().to_string().contains("from link to link"));
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        let refused = put(&folder.path().join("socket"), "").unwrap_err().to_string();
        assert!(refused.starts_with("is a device or a pipe"), "{refused}");
    }
}
