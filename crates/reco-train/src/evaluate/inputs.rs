//! Training data and held-out interactions, brought to the same users and items.

use super::options::{EvaluateError, Source};
use crate::data::{DataError, Dataset, FileSpec, ImportSpec, read};
use crate::data::{Division, Split, split};
use crate::progress::Silent;
use reco_core::event::ActionWeights;
use reco_core::id::{ItemId, ItemKey};
use reco_core::interactions::InteractionLog;
use reco_core::time::Timestamp;
use rustc_hash::FxHashMap;
use std::path::Path;

/// A held-out interaction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) user: u32,
    /// Beyond the catalogue's length for an item that only test files name.
    pub(super) item: ItemId,
    /// When the model is asked.
    pub(super) asked_at: Timestamp,
}

/// Everything an evaluation reads.
pub(super) struct Inputs {
    /// Its user table holds the test users, too.
    pub(super) train: Dataset,
    pub(super) held: Vec<Held>,
    /// User, item pairs.
    pub(super) negatives: Option<Vec<(u32, ItemId)>>,
    /// How `held` was divided off, or comes closest to how a test file was.
    pub(super) held_out: Split,
}

impl Inputs {
    pub(super) fn gather(
        source: Source,
        negatives: Option<&Path>,
        weights: &ActionWeights,
        seed: u64,
    ) -> Result<Self, EvaluateError> {
        let mut extra = ExtraItems::default();
        let (mut train, held, held_out) = match source {
            Source::Split(dataset, how) => {
                check(how, &dataset)?;
                let (train, held) = divided(&dataset, how, weights);
                (train, held, how)
            }
            Source::Files(mut train, path) => {
                let held = from_file(&path, &mut train, &mut extra, weights)?;
                let held_out = if train.log.has_times() { Split::LastOne } else { Split::AnyOne { seed } };
                (*train, held, held_out)
            }
        };
        let negatives = match negatives {
            Some(path) => Some(Foreign::read(path, &mut train, &mut extra)?.pairs().collect()),
            None => None,
        };
        Ok(Self { train, held, negatives, held_out })
    }
}

fn check(how: Split, dataset: &Dataset) -> Result<(), EvaluateError> {
    if let Split::Time { test_share } = how {
        if !(test_share > 0.0 && test_share < 1.0) {
            return Err(EvaluateError::TestShare(test_share));
        }
        if !dataset.log.has_times() {
            return Err(EvaluateError::NoTimes);
        }
    }
    Ok(())
}

/// What trains and what tests.
pub(super) fn divided(dataset: &Dataset, how: Split, weights: &ActionWeights) -> (Dataset, Vec<Held>) {
    let log = &dataset.log;
    let Division { train, test, cut } = split(log, how, weights);
    let held = |row: u32| {
        let row = row as usize;
        Held { user: log.user[row], item: log.item[row], asked_at: cut.unwrap_or(log.at[row]) }
    };
    let held = test.into_iter().map(held).collect();
    // Field by field: the log may be large and only a part of it stays.
    let Dataset { catalog, users, extra, .. } = dataset;
    let (catalog, users, extra) = (catalog.clone(), users.clone(), extra.clone());
    (Dataset { catalog, log: log.select(&train), users, extra }, held)
}

/// The interactions of a test file that have weight.
fn from_file(
    path: &Path,
    train: &mut Dataset,
    extra: &mut ExtraItems,
    weights: &ActionWeights,
) -> Result<Vec<Held>, DataError> {
    let asked_at = train.log.span().map(|(_, last)| last).unwrap_or_default();
    let test = Foreign::read(path, train, extra)?;
    let weight = test.log.weights(weights);
    let counted = test.pairs().zip(weight).filter(|(_, weight)| *weight > 0.0);
    Ok(counted.map(|((user, item), _)| Held { user, item, asked_at }).collect())
}

/// Numbers for items that the training catalogue does not have; they follow its own.
#[derive(Default)]
struct ExtraItems(FxHashMap<ItemKey, ItemId>);

impl ExtraItems {
    fn id(&mut self, key: &ItemKey, train: &Dataset) -> ItemId {
        train.catalog.id(key.as_str()).unwrap_or_else(|| {
            let next = ItemId::new((train.catalog.len() + self.0.len()) as u32);
            *self.0.entry(key.clone()).or_insert(next)
        })
    }
}

/// Interactions of another file, with their users and items as training numbers them.
struct Foreign {
    log: InteractionLog,
    users: Vec<u32>,
    items: Vec<ItemId>,
}

impl Foreign {
    fn read(path: &Path, train: &mut Dataset, extra: &mut ExtraItems) -> Result<Self, DataError> {
        let spec = ImportSpec { interactions: Some(FileSpec::new(path)), ..ImportSpec::default() };
        let (Dataset { catalog, log, .. }, _) = read(&spec, &Silent)?;
        let users = log.users.keys().iter().map(|key| train.log.users.intern(key.as_str())).collect();
        let items = catalog.ids().map(|id| extra.id(catalog.key(id), train)).collect();
        Ok(Self { log, users, items })
    }

    fn pairs(&self) -> impl Iterator<Item = (u32, ItemId)> {
        let rows = self.log.user.iter().zip(&self.log.item);
        rows.map(|(&user, item)| (self.users[user as usize], self.items[item.index()]))
    }
}
