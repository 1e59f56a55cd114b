//! Finished sessions as lines of JSON by date, for training on sequences and for whoever wants to look: a consumer of the
//! log.
//!
//! ```text
//! sessions/sessions-2026-11-22.jsonl
//! {"user":"ann","started":"2026-11-22T14:05:00Z","ended":"2026-11-22T14:21:30Z","events":3,
//!  "actions":{"add_to_cart":1,"view":2},"items":["tea","jam"],"late":false}
//! ```
//!
//! (One line each; broken here.) A session is a user's events without a pause of [half an hour](Session::GAP), by the time
//! at which they happened. It is finished [half an hour](SessionWriter::LATENESS) after that pause, so that events which
//! come late, or out of order, still find their session. The time is that of the events: the last sessions of a quiet
//! shop are finished when somebody comes. Events that come later than that make a session of their own, which says so.
//!
//! Sessions that are not finished are in one file together with the places of the log that were read and how long every
//! file of finished ones was then. What a killed process wrote behind that is cut off, and written again: every event is
//! in one session.

mod files;
mod running;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use files::Files;
use parking_lot::Mutex;
use reco_core::consume::{Consumer, write_aside};
use reco_core::error::Fault;
use reco_core::event::Action;
use reco_core::file;
use reco_core::live::Places;
use reco_core::store::Delivery;
use reco_core::time::Clock;
use running::{Finished, Running};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[cfg(doc)]
use reco_core::features::Session;

/// Follows sessions and writes those that are finished.
///
/// ```
/// use reco_core::consume::Consumer;
/// use reco_core::event::{Action, Event, EventId};
/// use reco_core::store::{Delivery, Place};
/// use reco_core::time::{SystemClock, Timestamp};
/// use reco_train::sessions::SessionWriter;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let mut sessions = SessionWriter::open(folder.path(), Arc::new(SystemClock))?;
/// // Ann looks at tea and at jam; two hours later bob comes.
/// let events = [("ann", "tea", 0), ("ann", "jam", 60), ("bob", "tea", 7_200)];
/// for (offset, (user, item, second)) in (0..).zip(events) {
///     let event = Event {
///         id: EventId(1 + u128::from(offset)),
///         user: user.into(),
///         item: item.into(),
///         action: Action::View,
///         value: None,
///         at: Timestamp::from_secs(1_700_000_000 + second),
///         details: None,
///     };
///     sessions.take(&[Delivery { place: Place { partition: 0, offset }, event }]).await?;
/// }
/// sessions.flush().await?;
/// let written = std::fs::read_to_string(folder.path().join("sessions-2023-11-14.jsonl"))?;
/// assert_eq!(written.lines().count(), 1);
/// assert!(written.contains(r#""items":["tea","jam"]"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct SessionWriter {
    /// Shared with the thread that writes.
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct State {
    folder: PathBuf,
    kept: Kept,
    /// Finished, but not known to be written.
    finished: Vec<Finished>,
}

/// What is written down together.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    applied: Places,
    running: Running,
    files: Files,
}

impl SessionWriter {
    /// The name of its group in the log.
    pub const NAME: &str = "sessions";
    /// How long a session waits for events that come late, beyond the pause that ends it.
    pub const LATENESS: Duration = Duration::from_mins(30);
    /// Sessions that can be under way at a time; of more, those that are quiet for longest are finished early.
    pub const MOST_RUNNING: usize = 1_000_000;

    /// The file of those that are not finished.
    const RUNNING: &str = "running.sessions";

    /// Goes on with what is in a folder, which is made when something is written. What a process that was killed has left
    /// in it is cut off. No event is taken to be later than the clock says.
    ///
    /// # Errors
    ///
    /// What the system says of the folder. [`io::ErrorKind::InvalidData`] when it has finished sessions, but not those
    /// that were under way, or they are damaged: move the folder away, and sessions are written anew from what the log has.
    pub fn open(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let folder = folder.into();
        let path = folder.join(Self::RUNNING);
        let kept = match fs::read(&path) {
            Ok(bytes) => Kept::parse(&bytes).map_err(|problem| unusable(&path, &problem))?,
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(at(&path, cause)),
            Err(_) if files::any_in(&folder)? => return Err(unusable(&path, "is not there")),
            Err(_) => Kept::default(),
        };
        kept.files.cut(&folder)?;
        Ok(Self { state: Arc::new(Mutex::new(State { folder, kept, finished: Vec::new() })), clock })
    }

    /// The places of the log that are in sessions, under way or finished.
    pub fn applied(&self) -> Places {
        self.state.lock().kept.applied.clone()
    }
}

#[async_trait]
impl Consumer for SessionWriter {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn take(&mut self, deliveries: &[Delivery]) -> Result<(), Fault> {
        let wall = self.clock.wall();
        let Kept { applied, running, .. } = &mut self.state.lock().kept;
        for Delivery { place, event } in deliveries {
            if applied.insert(*place) && event.action != Action::Exposure {
                running.add(event, wall);
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let state = Arc::clone(&self.state);
        write_aside(Self::NAME, move || state.lock().write()).await
    }
}

impl State {
    /// Where it fails, the next time writes the same and more.
    fn write(&mut self) -> io::Result<()> {
        self.finished.extend(self.kept.running.finish(SessionWriter::MOST_RUNNING));
        let path = self.folder.join(SessionWriter::RUNNING);
        if !path.exists() {
            // Should this process be killed over the first file, it is known to hold nothing.
            fs::create_dir_all(&self.folder)?;
            Kept::default().write(&path)?;
        }
        let files = self.kept.files.append(&self.folder, &self.finished)?;
        let before = std::mem::replace(&mut self.kept.files, files);
        if let Err(cause) = self.kept.write(&path) {
            self.kept.files = before;
            return Err(cause);
        }
        self.finished.clear();
        Ok(())
    }
}

impl Kept {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (sum, kept) = bytes.split_first_chunk::<4>().ok_or("ends too early")?;
        if crc32fast::hash(kept) != u32::from_le_bytes(*sum) {
            return Err("is not what was written: its checksum differs".to_owned());
        }
        postcard::from_bytes(kept).map_err(|cause| format!("cannot be understood: {cause}"))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let bytes = postcard::to_allocvec(self).map_err(io::Error::other)?;
        file::replace_through(&path.with_extension("unfinished"), path, |file| {
            file.write_all(&crc32fast::hash(&bytes).to_le_bytes())?;
            file.write_all(&bytes)
        })
    }
}

fn unusable(path: &Path, problem: &str) -> io::Error {
    let folder = path.parent().unwrap_or(path).display();
    let problem =
        format!("{}: {problem}; move {folder} away to write sessions anew from the log", path.display());
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn at(path: &Path, cause: io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
}
