//! The live layer in a file, so that a process goes on where the last one ended.
//!
//! A line that names the format, then frames: length (u64, little endian), CRC-32 (u32) and that many bytes in the
//! postcard format. The first frame is the [`Head`], the others are shards of users. The same state gives the same bytes.

use super::board::Pulse;
use super::takers::Takers;
use super::{Live, LiveLimits, Places, Shard};
use crate::event::{Action, ActionWeights, EventId};
use crate::features::{RecentEvent, Tally, UserFeatures};
use crate::file;
use crate::id::{ItemKey, UserKey};
use crate::launch::Counts;
use crate::time::Timestamp;
use parking_lot::Mutex;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::Hash;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FORMAT: &[u8] = b"reco live layer 3\n";

/// The live layer at one moment. Taking it holds events up for as long as it takes to count references to all users;
/// they change on while it is written.
#[derive(Debug)]
pub struct Checkpoint {
    head: Head,
    shards: Vec<Vec<(UserKey, Arc<UserFeatures>)>>,
}

/// Why a checkpoint cannot be gone on from. The log has everything that is needed to do without.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The system says no.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        cause: io::Error,
    },
    /// It is not what was written, or of another version.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Events were weighed or bounded in another way.
    #[error("{}: it was made with other weights of actions, another half-life of trends or another bound", path.display())]
    OtherRules {
        /// The file.
        path: PathBuf,
        /// The events that it holds.
        applied: Places,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    rules: Rules,
    applied: Places,
    latest: i64,
    /// What numbers stand for in the shards.
    items: Vec<ItemKey>,
    actions: Vec<Action>,
    categories: Vec<Arc<str>>,
    pulses: Vec<(ItemKey, Pulse)>,
    takers: Vec<(ItemKey, Arc<Takers>, Timestamp)>,
    launches: Vec<(ItemKey, Counts)>,
    outcomes: Vec<(ItemKey, Counts)>,
    n_shards: usize,
}

/// What the state depends on beside the events.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Rules {
    /// As JSON, for its shape leaves fields out.
    weights: String,
    half_life_days: f64,
    events_per_user: usize,
}

impl Rules {
    fn new(weights: &ActionWeights, half_life_days: f64, limits: &LiveLimits) -> Self {
        let weights = serde_json::to_string(weights).unwrap_or_default();
        Self { weights, half_life_days, events_per_user: limits.events_per_user }
    }
}

/// A user with numbers for names.
#[derive(Serialize, Deserialize)]
struct StoredUser {
    key: UserKey,
    recent: Vec<StoredEvent>,
    actions: Vec<(u32, Tally)>,
    categories: Vec<(u32, u64)>,
    days: Vec<(i32, u32, u32, i64)>,
}

#[derive(Serialize, Deserialize)]
struct StoredEvent {
    id: u128,
    offset: u64,
    item: u32,
    action: u32,
    value: Option<f32>,
    at: Timestamp,
}

impl Live {
    /// Everything that is known now.
    pub fn checkpoint(&self) -> Checkpoint {
        let applied = self.applied.lock();
        let users = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            shard.iter().map(|(user, features)| (user.clone(), Arc::clone(features))).collect()
        };
        let shards = self.shards.iter().map(users).collect();
        let board = self.board.read();
        let head = Head {
            rules: Rules::new(&self.weights, board.half_life_days(), &self.limits),
            applied: applied.clone(),
            latest: self.latest.load(super::Ordering::Relaxed),
            items: Vec::new(),
            actions: Vec::new(),
            categories: Vec::new(),
            pulses: board.pulses(),
            takers: self.newcomers.takers(),
            launches: self.launches.all(),
            outcomes: self.outcomes.all(),
            n_shards: self.shards.len(),
        };
        Checkpoint { head, shards }
    }

    /// Goes on from a checkpoint; `None` where there is no file. Factors of new items are to be made again, of those who
    /// took them.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or does not fit the other arguments.
    pub fn resume(
        path: &Path,
        weights: ActionWeights,
        half_life_days: f64,
        limits: LiveLimits,
    ) -> Result<Option<Self>, CheckpointError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(CheckpointError::Io { path: path.to_owned(), cause }),
        };
        let damaged = |problem: String| CheckpointError::Damaged { path: path.to_owned(), problem };
        let Some(mut rest) = bytes.strip_prefix(FORMAT) else {
            return Err(damaged("no checkpoint of this version".to_owned()));
        };
        let head: Head = frame(&mut rest).and_then(decode).map_err(damaged)?;
        if head.rules != Rules::new(&weights, half_life_days, &limits) {
            return Err(CheckpointError::OtherRules { path: path.to_owned(), applied: head.applied });
        }
        if head.n_shards != Self::SHARDS {
            return Err(damaged(format!("has {} shards, must have {}", head.n_shards, Self::SHARDS)));
        }
        let frames: Result<Vec<&[u8]>, String> = (0..head.n_shards).map(|_| frame(&mut rest)).collect();
        let frames = frames.map_err(damaged)?;
        let shards = frames.into_par_iter().map(|bytes| head.shard(bytes).map(Mutex::new));
        let shards: Vec<Mutex<Shard>> = shards.collect::<Result<_, String>>().map_err(damaged)?;
        let live = Self {
            applied: Mutex::new(head.applied),
            shards,
            latest: head.latest.into(),
            ..Self::new(weights, half_life_days, limits)
        };
        live.board.write().restore(head.pulses, &live.limits);
        live.newcomers.restore(head.takers);
        live.launches.restore(head.launches);
        live.outcomes.restore(head.outcomes);
        Ok(Some(live))
    }
}

impl Checkpoint {
    /// What of the log it holds.
    pub fn applied(&self) -> &Places {
        &self.head.applied
    }

    /// Users in it.
    pub fn n_users(&self) -> usize {
        self.shards.iter().map(Vec::len).sum()
    }

    /// Writes it in the place of what was there, all or nothing.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(mut self, path: &Path) -> Result<(), CheckpointError> {
        let numbers = self.name();
        // By a name of its own, so that what a killed process left is written over.
        file::replace_through(&path.with_extension("unfinished"), path, |file| {
            let mut out = BufWriter::new(file);
            out.write_all(FORMAT)?;
            put(&mut out, &self.head)?;
            for mut users in std::mem::take(&mut self.shards) {
                users.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                let stored = users.iter().map(|(key, features)| numbers.stored(key, features));
                put(&mut out, &stored.collect::<Vec<StoredUser>>())?;
            }
            out.flush()
        })
        .map_err(|cause| CheckpointError::Io { path: path.to_owned(), cause })
    }

    /// Gives a number to every name.
    fn name(&mut self) -> Numbers {
        let (mut items, mut actions, mut categories) =
            (FxHashSet::default(), FxHashSet::default(), FxHashSet::default());
        for (_, features) in self.shards.iter().flatten() {
            items.extend(features.recent.iter().map(|event| &event.item));
            actions.extend(features.recent.iter().map(|event| &event.action));
            actions.extend(features.actions.iter().map(|(action, _)| action));
            categories.extend(features.categories.iter().map(|(category, _)| category));
        }
        self.head.items = sorted(items);
        self.head.actions = sorted(actions);
        self.head.categories = sorted(categories);
        Numbers {
            items: numbered(&self.head.items),
            actions: numbered(&self.head.actions),
            categories: numbered(&self.head.categories),
        }
    }
}

/// The numbers that stand for names.
struct Numbers {
    items: FxHashMap<ItemKey, u32>,
    actions: FxHashMap<Action, u32>,
    categories: FxHashMap<Arc<str>, u32>,
}

fn sorted<T: Ord + Clone>(names: FxHashSet<&T>) -> Vec<T> {
    let mut names: Vec<T> = names.into_iter().cloned().collect();
    names.sort_unstable();
    names
}

fn numbered<T: Eq + Hash + Clone>(names: &[T]) -> FxHashMap<T, u32> {
    names.iter().cloned().zip(0..).collect()
}

/// The number of a name; each has been given one before.
fn number<T: Eq + Hash>(numbers: &FxHashMap<T, u32>, name: &T) -> u32 {
    numbers.get(name).copied().unwrap_or(u32::MAX)
}

impl Numbers {
    fn stored(&self, key: &UserKey, features: &UserFeatures) -> StoredUser {
        let event = |event: &RecentEvent| StoredEvent {
            id: event.id.0,
            offset: event.offset,
            item: number(&self.items, &event.item),
            action: number(&self.actions, &event.action),
            value: event.value,
            at: event.at,
        };
        let (recent, actions) = (features.recent.iter(), features.actions.iter());
        let categories = features.categories.iter();
        StoredUser {
            key: key.clone(),
            recent: recent.map(event).collect(),
            actions: actions.map(|(action, tally)| (number(&self.actions, action), *tally)).collect(),
            categories: categories.map(|(name, count)| (number(&self.categories, name), *count)).collect(),
            days: features.days.rows().collect(),
        }
    }
}

impl Head {
    fn shard(&self, bytes: &[u8]) -> Result<Shard, String> {
        let users: Vec<StoredUser> = decode(bytes)?;
        let features = |user: StoredUser| Ok((user.key.clone(), Arc::new(self.features(user)?)));
        users.into_iter().map(features).collect()
    }

    fn features(&self, user: StoredUser) -> Result<UserFeatures, String> {
        let event = |event: StoredEvent| {
            Ok(RecentEvent {
                id: EventId(event.id),
                offset: event.offset,
                item: named(&self.items, event.item)?,
                action: named(&self.actions, event.action)?,
                value: event.value,
                at: event.at,
            })
        };
        let action = |(number, tally)| Ok((named(&self.actions, number)?, tally));
        let category = |(number, count)| Ok((named(&self.categories, number)?, count));
        Ok(UserFeatures {
            recent: user.recent.into_iter().map(event).collect::<Result<_, String>>()?,
            actions: user.actions.into_iter().map(action).collect::<Result<_, String>>()?,
            categories: user.categories.into_iter().map(category).collect::<Result<_, String>>()?,
            days: user.days.into_iter().collect(),
        })
    }
}

fn named<T: Clone>(names: &[T], number: u32) -> Result<T, String> {
    names.get(number as usize).cloned().ok_or_else(|| format!("number {number} stands for no name"))
}

fn put(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_allocvec(value).map_err(io::Error::other)?;
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(&crc32fast::hash(&bytes).to_le_bytes())?;
    out.write_all(&bytes)
}

/// Takes a frame off the front.
fn frame<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let cut = || "ends too early".to_owned();
    let (length, behind) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
    let (sum, behind) = behind.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
    let (bytes, behind) = behind.split_at_checked(length).ok_or_else(cut)?;
    if crc32fast::hash(bytes) != u32::from_le_bytes(*sum) {
        return Err("is not what was written: a checksum differs".to_owned());
    }
    *rest = behind;
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|cause| format!("cannot be understood: {cause}"))
}
