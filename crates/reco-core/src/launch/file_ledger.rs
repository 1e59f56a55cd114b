//! Exposures counted in a file, for one server that shares with nobody.

use super::exposures::Account;
use super::{ExposureLedger, LeaseId};
use crate::error::{Fault, FaultKind};
use crate::file;
use crate::id::ItemKey;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is granted of every item, as JSON in a file that is on the disk before anything of it is spent. What an earlier process had
/// leased and did not give back stays granted.
///
/// ```
/// use reco_core::launch::{ExposureLedger, FileLedger, LeaseId};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("exposures.json");
/// assert_eq!(FileLedger::open(&path)?.lease(&"tea".into(), LeaseId(1), 7, 10).await?, 7);
/// let again = FileLedger::open(&path)?;
/// assert_eq!(again.lease(&"tea".into(), LeaseId(2), 7, 10).await?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct FileLedger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    accounts: Mutex<BTreeMap<ItemKey, Account>>,
}

impl FileLedger {
    const NAME: &'static str = "exposures";

    /// Goes on from a file, which need not be there. It must be no other process's at the same time.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not what was written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let granted: BTreeMap<ItemKey, u64> = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(cause) => return Err(cause),
        };
        let accounts = granted.into_iter().map(|(item, granted)| (item, Account::of(granted))).collect();
        Ok(Self(Arc::new(Inner { path: path.to_owned(), accounts: Mutex::new(accounts) })))
    }

    /// Changes an account, here once it is changed on the disk, on a thread that may wait.
    async fn change<T: Send + 'static>(
        &self,
        item: &ItemKey,
        change: impl FnOnce(&mut Account) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (inner, item) = (Arc::clone(&self.0), item.clone());
        let changed = tokio::task::spawn_blocking(move || inner.change(&item, change)).await;
        let fault =
            |kind, cause: &dyn std::fmt::Display| Fault::new(Self::NAME, kind).because(cause.to_string());
        changed
            .map_err(|cause| fault(FaultKind::Internal, &cause))?
            .map_err(|cause| fault(FaultKind::Unavailable, &format!("{}: {cause}", self.0.path.display())))
    }
}

impl Inner {
    fn change<T>(&self, item: &ItemKey, change: impl FnOnce(&mut Account) -> T) -> io::Result<T> {
        let mut accounts = self.accounts.lock();
        let mut next = accounts.get(item).cloned().unwrap_or_default();
        let outcome = change(&mut next);
        let granted = |account: &Account| account.granted();
        if accounts.get(item).map_or(0, granted) != granted(&next) {
            let mut all: BTreeMap<&ItemKey, u64> =
                accounts.iter().map(|(item, account)| (item, granted(account))).collect();
            all.insert(item, granted(&next));
            let json = serde_json::to_vec(&all).map_err(io::Error::other)?;
            file::replace_through(&self.path.with_extension("unfinished"), &self.path, |file| {
                file.write_all(&json)
            })?;
        }
        accounts.insert(item.clone(), next);
        Ok(outcome)
    }
}

#[async_trait]
impl ExposureLedger for FileLedger {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn lease(&self, item: &ItemKey, id: LeaseId, want: u64, limit: u64) -> Result<u64, Fault> {
        self.change(item, move |account| account.lease(id, want, limit)).await
    }

    async fn give_back(&self, item: &ItemKey, id: LeaseId, unused: u64) -> Result<(), Fault> {
        self.change(item, move |account| account.give_back(id, unused)).await
    }

    async fn granted(&self, item: &ItemKey) -> Result<u64, Fault> {
        Ok(self.0.accounts.lock().get(item).map_or(0, Account::granted))
    }
}
