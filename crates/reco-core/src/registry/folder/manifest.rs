//! The list of a version's files with their lengths and checksums, which is checked by a checksum of its own.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// The file that lists the others.
pub(super) const NAME: &str = "checksums.txt";
/// What this reco writes and reads.
pub(super) const FORMAT: u32 = 1;

const TITLE: &str = "reco registry format ";

/// Why a version is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The system does not let it be read.
    Io(io::Error),
    /// A later format.
    Newer(u32),
    /// The file and how it is damaged.
    Corrupt(String),
}

/// Lists the files of a folder, after making sure that they have reached the disk, and returns the text of [`NAME`].
pub(super) fn seal(folder: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        match name {
            Ok(name) if entry.file_type()?.is_file() && !name.contains(['\n', '\r']) => names.push(name),
            name => {
                let problem = format!("{name:?} is no plain file with a plain name");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
            }
        }
    }
    names.sort_unstable();
    let mut text = format!("{TITLE}{FORMAT}\n");
    for name in names {
        let file = File::open(folder.join(&name))?;
        file.sync_all()?;
        let (crc, length) = sum(file)?;
        text.push_str(&line(crc, length, &name));
    }
    Ok(sealed(&text))
}

/// Compares the files of a folder with their list. Files that are not on it are nobody's business.
pub(super) fn verify(folder: &Path) -> Result<(), Refusal> {
    for (crc, length, name) in listed(folder)? {
        let path = folder.join(&name);
        let corrupt = |what: String| Refusal::Corrupt(format!("{name} {what}"));
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(corrupt("is missing".to_owned()));
            }
            Err(cause) => return Err(Refusal::Io(cause)),
        };
        let (found_crc, found) = sum(file).map_err(Refusal::Io)?;
        if found != length {
            return Err(corrupt(format!("has {found} bytes, must have {length}")));
        }
        if found_crc != crc {
            return Err(corrupt("does not fit its checksum".to_owned()));
        }
    }
    Ok(())
}

/// Checksum, length and name of every file on the list.
fn listed(folder: &Path) -> Result<Vec<(u32, u64, String)>, Refusal> {
    let corrupt = |what: &str| Refusal::Corrupt(format!("{NAME} {what}"));
    let bytes = match fs::read(folder.join(NAME)) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Err(corrupt("is missing")),
        Err(cause) => return Err(Refusal::Io(cause)),
    };
    let text = String::from_utf8(bytes).map_err(|_| corrupt("is no text"))?;
    let (title, _) = text.split_once('\n').ok_or_else(|| corrupt("is cut short"))?;
    let format = title.strip_prefix(TITLE).and_then(|format| format.parse().ok());
    match format.ok_or_else(|| corrupt("is something else"))? {
        FORMAT => {}
        other => return Err(Refusal::Newer(other)),
    }
    // The last line seals what stands before it; to the byte, for there is one way only to write it.
    let seal_at = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
    if sealed(&text[..seal_at]) != text {
        return Err(corrupt("does not fit its own checksum"));
    }
    let rows = text[..seal_at].lines().skip(1).map(parsed);
    rows.collect::<Option<_>>().ok_or_else(|| corrupt("has a line that makes no sense"))
}

fn line(crc: u32, length: u64, name: &str) -> String {
    format!("{crc:08x} {length} {name}\n")
}

fn parsed(row: &str) -> Option<(u32, u64, String)> {
    let mut words = row.splitn(3, ' ');
    let crc = u32::from_str_radix(words.next()?, 16).ok()?;
    let length = words.next()?.parse().ok()?;
    // A name that leads elsewhere is none that was written here.
    let name = words.next().filter(|name| !name.contains(['/', '\\']) && *name != "..")?;
    Some((crc, length, name.to_owned()))
}

fn sealed(text: &str) -> String {
    let seal = line(crc32fast::hash(text.as_bytes()), text.len() as u64, NAME);
    format!("{text}{seal}")
}

/// CRC-32 and length, read piece by piece: artifacts may be larger than what memory has left.
fn sum(file: File) -> io::Result<(u32, u64)> {
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let (mut hasher, mut length) = (crc32fast::Hasher::new(), 0);
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok((hasher.finalize(), length));
        }
        hasher.update(piece);
        let read = piece.len();
        length += read as u64;
        reader.consume(read);
    }
}
