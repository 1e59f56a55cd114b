//! A registry in a folder, shared by processes.

mod aliases;
mod manifest;
#[cfg(test)]
mod tests;

use super::{Alias, Change, ModelRegistry, RegistryError, Rollout};
use crate::file;
use crate::time::{Clock, SystemClock};
use aliases::Aliases;
use async_trait::async_trait;
use bytes::Bytes;
use manifest::Refusal;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Versions as folders, `MODEL/v1`, `MODEL/v2` and so on, each with any number of files and `checksums.txt`, which
/// lists them; `MODEL/aliases.json` says which is champion and which challenger.
///
/// A version is written under a name that is not listed and then takes its number by renaming, so that it is there
/// whole or not at all, whoever is killed when; two that publish at once get different numbers. Aliases are
/// changed under a lock of the file system. Numbers are never given twice: pruning leaves the latest alone.
/// Checksums find damage, not malice.
///
/// ```
/// use reco_core::registry::{Alias, FolderRegistry, RegistryError};
/// use std::fs;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path();
/// let registry = FolderRegistry::new(path);
/// let version = registry.publish_files("shop", |folder| {
///     fs::write(folder.join("model.reco"), "weights")?;
///     fs::write(folder.join("metadata.json"), "{}")
/// })?;
/// registry.promote("shop", version, Alias::Champion, "ann")?;
/// assert_eq!(registry.read_rollout("shop")?.named(Alias::Champion), Some(1));
///
/// let folder = registry.open("shop", version)?;
/// fs::write(folder.join("model.reco"), "weighty").unwrap();
/// let refused = registry.open("shop", version).unwrap_err().to_string();
/// assert_eq!(refused, "version 1 of model `shop` is corrupt: model.reco does not fit its checksum");
/// # Ok::<(), RegistryError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FolderRegistry {
    root: Arc<Path>,
}

/// Held by those who publish, together, and by who prunes, alone.
const PUBLISHING: &str = ".publishing.lock";
/// Held by who changes the aliases.
const ALIASING: &str = ".aliases.lock";
const ALIASES: &str = "aliases.json";
/// Begins the names of versions that are not there yet, or no more.
const UNFINISHED: &str = ".unfinished-";

impl FolderRegistry {
    /// The file that [`ModelRegistry::publish`] writes and [`ModelRegistry::load`] reads.
    pub const ARTIFACT: &'static str = "model.reco";

    /// The registry in a folder, which the first version creates.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into().into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Publishes what `fill` writes to the folder it is given, plain files only, and returns the version.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`] with what `fill` or the system said; nothing is published then.
    pub fn publish_files<E: Into<crate::error::BoxError>>(
        &self,
        model: &str,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<u64, RegistryError> {
        let home = self.home(model)?;
        fs::create_dir_all(&home).map_err(store)?;
        let _publishing = locked(&home.join(PUBLISHING), File::lock_shared)?;
        let unfinished = unfinished(&home).map_err(store)?;
        let published = fill(&unfinished)
            .map_err(|cause| RegistryError::Store(cause.into()))
            .and_then(|()| finish(&home, &unfinished).map_err(store));
        if published.is_err() {
            // Best effort: what matters is the first error, and pruning comes by.
            let _ = fs::remove_dir_all(&unfinished);
        }
        published
    }

    /// The folder of a version, all of whose files are as they were published.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`], [`RegistryError::Corrupt`] with the file that is damaged or missing,
    /// [`RegistryError::Newer`], or [`RegistryError::Store`] when it cannot be read.
    pub fn open(&self, model: &str, version: u64) -> Result<PathBuf, RegistryError> {
        let folder = self.folder(model, version)?;
        manifest::verify(&folder).map(|()| folder).map_err(|refusal| {
            let model = model.to_owned();
            match refusal {
                Refusal::Io(cause) => store(cause),
                Refusal::Corrupt(what) => RegistryError::Corrupt { model, version, what },
                Refusal::Newer(found) => {
                    RegistryError::Newer { model, version, found, known: manifest::FORMAT }
                }
            }
        })
    }

    /// The folder of a version, unchecked; for a look at what a damaged one still says.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`].
    pub fn folder(&self, model: &str, version: u64) -> Result<PathBuf, RegistryError> {
        let folder = self.home(model)?.join(format!("v{version}"));
        let is_there = version > 0 && folder.is_dir();
        is_there.then_some(folder).ok_or_else(|| RegistryError::NotFound { model: model.to_owned(), version })
    }

    /// All versions, ascending; as [`ModelRegistry::versions`].
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`] when the folder cannot be read.
    pub fn list(&self, model: &str) -> Result<Vec<u64>, RegistryError> {
        listed(&self.home(model)?).map_err(store)
    }

    /// What is live; as [`ModelRegistry::rollout`].
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`] when the file cannot be read or makes no sense.
    pub fn read_rollout(&self, model: &str) -> Result<Rollout, RegistryError> {
        Ok(aliases(&self.home(model)?)?.rollout())
    }

    /// How the rollout came to be; as [`ModelRegistry::changes`].
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`] when the file cannot be read or makes no sense.
    pub fn read_changes(&self, model: &str) -> Result<Vec<Change>, RegistryError> {
        Ok(aliases(&self.home(model)?)?.changes().to_vec())
    }

    /// Replaces the rollout if it is still `expected`; as [`ModelRegistry::set_rollout`].
    ///
    /// # Errors
    ///
    /// Those of [`ModelRegistry::set_rollout`].
    pub fn write_rollout(
        &self,
        model: &str,
        expected: &Rollout,
        change: Change,
    ) -> Result<(), RegistryError> {
        self.change(model, |aliases| {
            change.rollout.versions().try_for_each(|version| self.folder(model, version).map(drop))?;
            if aliases.rollout() != *expected {
                return Err(RegistryError::Conflict { model: model.to_owned() });
            }
            aliases.set(change);
            Ok(())
        })
    }

    /// Gives a sound version a role; `by` says on record who did it. Who becomes champion is challenger no more; a new challenger gets a share of
    /// 100 per mille.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn promote(&self, model: &str, version: u64, alias: Alias, by: &str) -> Result<(), RegistryError> {
        self.open(model, version)?;
        self.change(model, |aliases| {
            // Between the look and the lock somebody may have pruned it.
            self.folder(model, version)?;
            let Rollout { stable, canary } = aliases.rollout();
            let rollout = match alias {
                Alias::Champion => {
                    Rollout { stable: Some(version), canary: canary.filter(|trial| trial.0 != version) }
                }
                Alias::Challenger => Rollout { stable, canary: Some((version, 100)) },
            };
            let why = format!("makes v{version} {alias}");
            aliases.set(Change { at: SystemClock.wall(), by: by.to_owned(), why, rollout });
            Ok(())
        })
    }

    /// Makes the champion before this one champion again, and returns it; `None` where there was none. Doing it
    /// again leads further back. `by` says on record who did it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`], or those of [`open`](Self::open) for a version that is damaged: nothing changes then.
    pub fn roll_back(&self, model: &str, by: &str) -> Result<Option<u64>, RegistryError> {
        self.change(model, |aliases| {
            let is_there = |version| self.folder(model, version).is_ok();
            let back = aliases.go_back(is_there, SystemClock.wall(), by);
            back.map(|version| self.open(model, version).map(|_| version)).transpose()
        })
    }

    /// Removes all but the latest `keep` versions and what killed processes left behind, and returns the versions
    /// removed. Champion, challenger, the champion before and the latest version always stay.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`] when a folder cannot be removed.
    pub fn prune(&self, model: &str, keep: usize) -> Result<Vec<u64>, RegistryError> {
        let home = self.home(model)?;
        if !home.is_dir() {
            return Ok(Vec::new());
        }
        let _publishing = locked(&home.join(PUBLISHING), File::lock)?;
        let _aliasing = locked(&home.join(ALIASING), File::lock)?;
        let aliases = aliases(&home)?;
        let versions = listed(&home).map_err(store)?;
        let there = |version: &u64| versions.contains(version);
        let roles: Vec<u64> =
            aliases.rollout().versions().chain(aliases.earlier().filter(there).take(1)).collect();
        let n_old = versions.len().saturating_sub(keep.max(1));
        let old: Vec<u64> =
            versions[..n_old].iter().copied().filter(|version| !roles.contains(version)).collect();
        for version in &old {
            // A new name first: who is killed while removing leaves no half version that is listed.
            let gone = home.join(format!("{UNFINISHED}pruned-{version}"));
            fs::rename(home.join(format!("v{version}")), gone).map_err(store)?;
        }
        remove_unfinished(&home).map_err(store)?;
        Ok(old)
    }

    /// Changes the aliases while nobody else does.
    fn change<T>(
        &self,
        model: &str,
        work: impl FnOnce(&mut Aliases) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let home = self.home(model)?;
        if !home.is_dir() {
            // Nothing to lock and nothing to keep: only what needs no version succeeds.
            return work(&mut Aliases::default());
        }
        let _aliasing = locked(&home.join(ALIASING), File::lock)?;
        let before = aliases(&home)?;
        let mut after = before.clone();
        let told = work(&mut after)?;
        if after != before {
            let text = serde_json::to_string_pretty(&after).map_err(|cause| store(cause.into()))?;
            file::replace(&home.join(ALIASES), |file| file.write_all(text.as_bytes())).map_err(store)?;
        }
        Ok(told)
    }

    /// The folder of a model, if it can have one.
    fn home(&self, model: &str) -> Result<PathBuf, RegistryError> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if model.is_empty() || model.len() > 128 || model.starts_with('.') || !model.chars().all(is_plain) {
            let problem =
                format!("a model is named by letters, digits, `-`, `_` and `.`, at most 128, not `{model}`");
            return Err(RegistryError::Store(problem.into()));
        }
        Ok(self.root.join(model))
    }

    /// Does what waits for the disk where that holds nobody up.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let registry = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&registry)).await;
        done.map_err(|cause| RegistryError::Store(cause.into()))?
    }
}

/// Needs a tokio runtime, whose threads for blocking work wait for the disk.
#[async_trait]
impl ModelRegistry for FolderRegistry {
    async fn publish(&self, model: &str, artifact: Bytes) -> Result<u64, RegistryError> {
        let model = model.to_owned();
        self.aside(move |registry| {
            registry.publish_files(&model, |folder| fs::write(folder.join(Self::ARTIFACT), &artifact))
        })
        .await
    }

    async fn load(&self, model: &str, version: u64) -> Result<Bytes, RegistryError> {
        let model = model.to_owned();
        self.aside(move |registry| {
            let folder = registry.open(&model, version)?;
            fs::read(folder.join(Self::ARTIFACT)).map(Bytes::from).map_err(store)
        })
        .await
    }

    async fn versions(&self, model: &str) -> Result<Vec<u64>, RegistryError> {
        let model = model.to_owned();
        self.aside(move |registry| registry.list(&model)).await
    }

    async fn rollout(&self, model: &str) -> Result<Rollout, RegistryError> {
        let model = model.to_owned();
        self.aside(move |registry| registry.read_rollout(&model)).await
    }

    async fn set_rollout(
        &self,
        model: &str,
        expected: &Rollout,
        change: Change,
    ) -> Result<(), RegistryError> {
        let (model, expected) = (model.to_owned(), expected.clone());
        self.aside(move |registry| registry.write_rollout(&model, &expected, change)).await
    }

    async fn changes(&self, model: &str) -> Result<Vec<Change>, RegistryError> {
        let model = model.to_owned();
        self.aside(move |registry| registry.read_changes(&model)).await
    }
}

fn store(cause: io::Error) -> RegistryError {
    RegistryError::Store(cause.into())
}

/// A file that is locked until it is dropped, or its process dies.
fn locked(path: &Path, lock: impl FnOnce(&File) -> io::Result<()>) -> Result<File, RegistryError> {
    let open = File::options().create(true).truncate(false).write(true).read(true).open(path);
    open.and_then(|file| lock(&file).map(|()| file)).map_err(store)
}

/// A new folder for a version that is being written.
fn unfinished(home: &Path) -> io::Result<PathBuf> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    loop {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let path = home.join(format!("{UNFINISHED}{}-{call}", process::id()));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            // Left by a process of the same number.
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
    }
}

/// Seals what was written and gives it the next number.
fn finish(home: &Path, unfinished: &Path) -> io::Result<u64> {
    let text = manifest::seal(unfinished)?;
    file::replace(&unfinished.join(manifest::NAME), |file| file.write_all(text.as_bytes()))?;
    let mut version = listed(home)?.last().map_or(1, |last| last + 1);
    // A folder is not renamed onto one that has files, as every version has: who comes second tries the next.
    while let Err(cause) = fs::rename(unfinished, home.join(format!("v{version}"))) {
        if !home.join(format!("v{version}")).exists() {
            return Err(cause);
        }
        version += 1;
    }
    // The new name is safe once the folder is, where folders can be opened.
    File::open(home).map_or(Ok(()), |folder| folder.sync_all())?;
    Ok(version)
}

fn listed(home: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(home) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(cause),
    };
    let mut versions = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix('v'));
        let number = number.filter(|number| !number.starts_with(['0', '+']));
        versions.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    versions.sort_unstable();
    Ok(versions)
}

fn remove_unfinished(home: &Path) -> io::Result<()> {
    for entry in fs::read_dir(home)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn aliases(home: &Path) -> Result<Aliases, RegistryError> {
    let path = home.join(ALIASES);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Aliases::default()),
        Err(cause) => return Err(store(cause)),
    };
    let problem = |cause| RegistryError::Store(format!("{}: {cause}", path.display()).into());
    serde_json::from_slice(&text).map_err(problem)
}
