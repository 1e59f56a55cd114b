//! Training data and held-out interactions, brought to the same users and items.

use super::options::{EvaluateError, Source};
use crate::data::{DataError, Dataset, Division, ImportReport, ImportSpec, Split, read, split};
use crate::fit::FitError;
use crate::progress::Silent;
use reco_core::event::ActionWeights;
use reco_core::id::{ItemId, ItemKey};
use reco_core::interactions::InteractionLog;
use reco_core::time::Timestamp;
use rustc_hash::FxHashMap;

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

/// What was read, and what it means.
pub(super) struct Gathered {
    pub(super) inputs: Inputs,
    pub(super) weights: ActionWeights,
    /// What the reader of the figures should know.
    pub(super) remarks: Vec<String>,
}

impl Gathered {
    pub(super) fn new(
        source: Source,
        negatives: Option<&ImportSpec>,
        mut weights: ActionWeights,
        seed: u64,
    ) -> Result<Self, EvaluateError> {
        let (mut extra, mut remarks) = (ExtraItems::default(), Vec::new());
        let (mut train, held, held_out) = match source {
            Source::Split(dataset, how) => {
                check(how, &dataset)?;
                FitError::check_weights(&dataset.log, &weights)?;
                let (train, held) = divided(&dataset, how, &weights);
                (train, held, how)
            }
            Source::Files(mut train, test) => {
                let test = Foreign::read(&test, &mut train, &mut extra, &mut remarks)?;
                if is_judged(&train.log, &weights) && !is_judged(&test.log, &weights) {
                    weights = weights.whatever_the_value();
                    remarks.push(UNRATED.to_owned());
                }
                FitError::check_weights(&train.log, &weights)?;
                FitError::check_weights(&test.log, &weights)?;
                let held = test.held(&train.log, &weights);
                let held_out = likeness(&train.log, &held, seed);
                (*train, held, held_out)
            }
        };
        let negatives = match negatives {
            Some(spec) => Some(Foreign::read(spec, &mut train, &mut extra, &mut remarks)?.pairs().collect()),
            None => None,
        };
        Ok(Self { inputs: Inputs { train, held, negatives, held_out }, weights, remarks })
    }
}

const UNRATED: &str = "the test interactions are not rated, so they ask what users take up, liked or not: \
                       here all ratings of training count, whatever their value";

/// Whether the values of any interaction decide about its weight.
fn is_judged(log: &InteractionLog, weights: &ActionWeights) -> bool {
    log.actions.iter().any(|action| weights.at_least(action) > 0.0)
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

/// The split that comes closest to how a test was divided off: one interaction of every user, the last where there
/// are times, or the latest share of all.
fn likeness(train: &InteractionLog, held: &[Held], seed: u64) -> Split {
    let mut users: Vec<u32> = held.iter().map(|held| held.user).collect();
    users.sort_unstable();
    let is_one_each = users.array_windows().all(|[user, next]| user != next);
    if !train.has_times() {
        Split::AnyOne { seed }
    } else if is_one_each {
        Split::LastOne
    } else {
        Split::Time { test_share: held.len() as f64 / (train.len() + held.len()) as f64 }
    }
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
    fn read(
        spec: &ImportSpec,
        train: &mut Dataset,
        extra: &mut ExtraItems,
        remarks: &mut Vec<String>,
    ) -> Result<Self, DataError> {
        let (Dataset { catalog, log, .. }, report) = read_as_far_as_named(spec.clone())?;
        remarks.extend(report.bad_examples.iter().map(|bad| format!("left out: {bad}")));
        let users = log.users.keys().iter().map(|key| train.log.users.intern(key.as_str())).collect();
        let items = catalog.ids().map(|id| extra.id(catalog.key(id), train)).collect();
        Ok(Self { log, users, items })
    }

    /// The interactions that have weight, to be asked for when training ends.
    fn held(&self, train: &InteractionLog, weights: &ActionWeights) -> Vec<Held> {
        let asked_at = train.span().map(|(_, last)| last).unwrap_or_default();
        let counted = self.pairs().zip(self.log.weights(weights)).filter(|(_, weight)| *weight > 0.0);
        counted.map(|((user, item), _)| Held { user, item, asked_at }).collect()
    }

    fn pairs(&self) -> impl Iterator<Item = (u32, ItemId)> {
        let rows = self.log.user.iter().zip(&self.log.item);
        rows.map(|(&user, item)| (self.users[user as usize], self.items[item.index()]))
    }
}

/// Reads a file whose columns are named after another one's: of those that it lacks only users and items must be
/// there.
fn read_as_far_as_named(mut spec: ImportSpec) -> Result<(Dataset, ImportReport), DataError> {
    loop {
        let error = match read(&spec, &Silent) {
            Err(error) => error,
            done => return done,
        };
        let lacking = match &error {
            DataError::NoColumn { field, .. } if !matches!(*field, "user" | "item") => *field,
            _ => return Err(error),
        };
        let named = spec.interactions.as_mut().and_then(|file| file.columns.remove(lacking));
        if named.is_none() {
            return Err(error);
        }
    }
}
