//! The best items for many users at once, as Parquet: lists to serve from a cache, or to look into.
//!
//! Lists are exact: every item is scored for every user, by blocks of users times blocks of items. They go to a
//! folder of parts, `part-00000.parquet` and so on, with one row per user: `user`, `items` (best first) and
//! `scores`. Until all of them are there the folder is called `NAME.unfinished`; a run that was interrupted goes on
//! after its finished parts, as far as their checksums are right, and ends with the same bytes as one that was not.

mod parts;
mod scores;
#[cfg(test)]
mod tests;

use crate::progress::Progress;
use parts::{Left, Parts};
use rayon::prelude::*;
use reco_core::filter::SeenPolicy;
use reco_core::id::UserKey;
use reco_core::retrieve::als::AlsModel;
use reco_core::snapshot::Snapshot;
use scores::Scoring;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What the lists hold.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOptions {
    /// Items per user, 1 to 100,000.
    pub count: usize,
    /// Which of a user's own items stay out; those they rejected always do.
    pub seen: SeenPolicy,
    /// Users per file, 1 to 1,000,000: what is lost at most when a run is interrupted, once for each thread.
    pub part_users: usize,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { count: 1_000, seen: SeenPolicy::default(), part_users: 2_048 }
    }
}

impl BatchOptions {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(1..=100_000).contains(&self.count) {
            problems.push(format!("count is {}, must be 1 to 100000", self.count));
        }
        if !(1..=1_000_000).contains(&self.part_users) {
            problems.push(format!("part_users is {}, must be 1 to 1000000", self.part_users));
        }
        problems.extend(self.seen.problem());
        problems
    }
}

/// Why lists were not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Options out of range; all of them.
    #[error("{}", .0.join("; "))]
    Options(Vec<String>),
    /// No factors to score with.
    #[error("the snapshot has no model `{}`; train one with it", AlsModel::NAME)]
    NoModel,
    /// There is something in the place of the result.
    #[error("{0} exists; remove it or name another folder")]
    Exists(PathBuf),
    /// What an interrupted run left does not belong to this one.
    #[error("{0} is of another snapshot, other users or other options; remove it to start anew")]
    OtherRun(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A part cannot be encoded.
    #[error("{path}: {cause}", path = .path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What Parquet said.
        cause: parquet::errors::ParquetError,
    },
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BatchReport {
    /// The folder.
    pub out: PathBuf,
    /// Users, each with a row.
    pub users: usize,
    /// Of those, users with an empty list: unknown to training, or without any positive event.
    pub without_list: usize,
    /// Files.
    pub parts: usize,
    /// Of those, files that an interrupted run had finished.
    pub parts_kept: usize,
    /// Of those, files that an interrupted run had finished, but that were damaged since and so written anew.
    pub parts_damaged: usize,
    /// Wall time.
    pub seconds: f64,
}

/// Whether [`run`] could write the folder `out` now, to know before anything is trained.
///
/// # Errors
///
/// [`BatchError::Exists`], or [`BatchError::Io`] for a folder that cannot be made.
pub fn check(out: &Path) -> Result<(), BatchError> {
    parts::free(out).map(|_| ())
}

/// Writes the best items of every user into the folder `out`, on rayon's pool. Without `users`, for all users of
/// the snapshot, in the order of their rows; a user who is named twice has two rows.
///
/// Users are scored with their trained factors as of the end of the data; those the snapshot does not know get
/// an empty list. Memory holds one part a thread. The same snapshot, users and options give the same bytes on any
/// number of threads of one machine.
///
/// # Errors
///
/// [`BatchError`] for options out of range, a snapshot without factors, a folder that exists or cannot be
/// written, and for the rest of another run.
pub fn run(
    snapshot: &Snapshot,
    users: Option<&[UserKey]>,
    options: &BatchOptions,
    out: &Path,
    progress: &dyn Progress,
) -> Result<BatchReport, BatchError> {
    let begun = Instant::now();
    let problems = options.problems();
    if !problems.is_empty() {
        return Err(BatchError::Options(problems));
    }
    let model = snapshot.models.get::<AlsModel>(AlsModel::NAME).ok_or(BatchError::NoModel)?;
    let users = users.unwrap_or(snapshot.users.keys());
    let parts = Parts::open(out, parts::fingerprint(snapshot, model, users, options))?;
    let scoring = Scoring::new(snapshot, model, options);
    progress.begin("scoring", users.len() as u64);
    let [kept, damaged, without_list] = [const { AtomicUsize::new(0) }; 3];
    users.par_chunks(options.part_users).enumerate().try_for_each(|(number, users)| {
        let empty = match parts.left(number) {
            Left::Whole { without_list } => {
                kept.fetch_add(1, Ordering::Relaxed);
                progress.advance(users.len() as u64);
                without_list
            }
            left => {
                damaged.fetch_add(usize::from(left == Left::Damaged), Ordering::Relaxed);
                parts.write(number, users, &scoring.lists(users, progress), &snapshot.catalog)?
            }
        };
        without_list.fetch_add(empty, Ordering::Relaxed);
        Ok(())
    })?;
    parts.finish()?;
    progress.end(&format!("{} users", users.len()));
    Ok(BatchReport {
        out: out.to_owned(),
        users: users.len(),
        without_list: without_list.into_inner(),
        parts: users.len().div_ceil(options.part_users),
        parts_kept: kept.into_inner(),
        parts_damaged: damaged.into_inner(),
        seconds: begun.elapsed().as_secs_f64(),
    })
}
