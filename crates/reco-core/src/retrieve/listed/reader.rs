//! Lists of a file, which may be replaced at any time.

use super::StoredList;
use super::file::{ListFileError, Table, at, table};
use crate::error::{Fault, FaultKind};
use crate::id::UserKey;
use crate::retrieve::{RemoteGenerator, RemoteHit};
use crate::time::{Budget, Clock};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Lists that another process has computed: each user's items with scores and explanations, from a file that
/// [`ListWriter`](super::ListWriter) wrote.
///
/// Cheap to clone. A file that takes the place of the one before is noticed within seconds; while there is none, nobody has a
/// list. One that has expired is never handed out.
///
/// ```
/// use reco_core::retrieve::{ListFile, ListWriter, StoredList};
/// use reco_core::time::{Clock, SystemClock};
/// use std::sync::Arc;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("reco.lists");
/// let now = SystemClock.wall();
/// let items = [("tea".into(), 0.9, "you bought honey".to_owned()), ("jam".into(), 0.7, String::new())];
/// let mut writer = ListWriter::begin(&path)?;
/// writer.add([(&"ann".into(), StoredList::new(now, now.plus_days(1.0), items))])?;
/// writer.finish()?;
///
/// let lists = ListFile::new(&path, Arc::new(SystemClock));
/// let list = lists.read(&"ann".into(), 20)?.expect("it has been written");
/// assert_eq!(list.items[0].explanation, "you bought honey");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ListFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

/// The file as it was when it was last looked at.
#[derive(Debug, Default)]
struct Seen {
    looked: Option<Instant>,
    lists: Option<Arc<Lists>>,
}

struct Lists {
    /// Tells it from another of the same name.
    stamp: Stamp,
    table: Table,
    /// Positions in it are one reader's at a time.
    file: Mutex<File>,
}

type Stamp = (u64, Option<SystemTime>);

impl fmt::Debug for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lists({} users)", self.table.len())
    }
}

impl ListFile {
    const NAME: &'static str = "lists";

    /// How long it may take until another file is noticed.
    pub const NOTICED_AFTER: Duration = Duration::from_secs(5);

    /// The lists of a file, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { path: path.into(), clock, seen: Mutex::default() }))
    }

    /// The first `count` items of a user's list; `None` if there is none that still holds.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is damaged.
    pub fn read(&self, user: &UserKey, count: usize) -> Result<Option<StoredList>, ListFileError> {
        let Some(lists) = self.current()? else { return Ok(None) };
        let Some(extent) = lists.table.get(user) else { return Ok(None) };
        let list = extent.read(&lists.file.lock(), count).map_err(|cause| at(&self.0.path, cause))?;
        Ok((self.0.clock.wall() < list.expires_at).then_some(list))
    }

    /// Whether the answer for a user is known without asking the disk: there is no list.
    fn is_known_to_have_none(&self, user: &UserKey) -> bool {
        // Not to wait for somebody who looks at the file.
        let Some(seen) = self.0.seen.try_lock() else { return false };
        self.is_recent(&seen) && seen.lists.as_ref().is_none_or(|lists| !lists.table.contains_key(user))
    }

    fn is_recent(&self, seen: &Seen) -> bool {
        seen.looked.is_some_and(|at| self.0.clock.now() < at + Self::NOTICED_AFTER)
    }

    fn current(&self) -> Result<Option<Arc<Lists>>, ListFileError> {
        let mut seen = self.0.seen.lock();
        if !self.is_recent(&seen) {
            let lists = seen.lists.take();
            seen.looked = None;
            seen.lists = Lists::look(&self.0.path, lists)?;
            seen.looked = Some(self.0.clock.now());
        }
        Ok(seen.lists.clone())
    }
}

impl Lists {
    /// What is there now; what was there, if it is the same.
    fn look(path: &Path, before: Option<Arc<Self>>) -> Result<Option<Arc<Self>>, ListFileError> {
        let mut file = match File::open(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|cause| at(path, cause))?,
        };
        let stamp = stamp(&file.metadata().map_err(|cause| at(path, cause))?);
        if let Some(before) = before.filter(|before| before.stamp == stamp) {
            return Ok(Some(before));
        }
        let table = table(path, &mut file)?;
        Ok(Some(Arc::new(Self { stamp, table, file: Mutex::new(file) })))
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), metadata.modified().ok())
}

/// Proposes what a user's list has.
#[async_trait]
impl RemoteGenerator for ListFile {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn generate(&self, user: &UserKey, limit: usize, budget: &Budget) -> Result<Vec<RemoteHit>, Fault> {
        if self.is_known_to_have_none(user) {
            return Ok(Vec::new());
        }
        let fault = |kind| Fault::new(Self::NAME, kind);
        let (this, user) = (self.clone(), user.clone());
        // The disk is not for threads that answer.
        let reading = tokio::task::spawn_blocking(move || this.read(&user, limit));
        let read = budget.run(reading).await.ok_or_else(|| fault(FaultKind::Timeout))?;
        let list = read
            .map_err(|cause| fault(FaultKind::Internal).because(cause))?
            .map_err(|cause| fault(FaultKind::Unavailable).because(cause))?;
        Ok(list.map(StoredList::into_hits).unwrap_or_default())
    }
}
