//! What a learned ranker is shown: candidates with their features, and which of them were taken.

mod parquet;
#[cfg(test)]
mod tests;

use super::FitError;
use super::ranking::Learned;
use super::rehearsal::Rehearsal;
use crate::progress::Progress;
use rayon::prelude::*;
use reco_core::event::Action;
use reco_core::features::{BLEND, Feature, FeatureMatrix, FeatureSchema, MISSING};
use reco_core::id::ItemId;
use std::fmt;
use std::ops::Range;

/// How much was known of who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// All of the user's history.
    Regular,
    /// A few of their latest items.
    Newcomer,
    /// Nothing.
    Stranger,
}

impl Asker {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Newcomer => "newcomer",
            Self::Stranger => "stranger",
        }
    }

    /// Who is asked about, and as whom. Every user of the earlier data as they are; every so many also as if less were
    /// known of them, so that the ranker has seen such people, too: a half of the users, or more where these would be too
    /// few, and, where hardly anybody came first after the cut, a tenth as strangers.
    fn questions(rehearsal: &Rehearsal) -> Vec<(&(u32, Vec<ItemId>), Self)> {
        const ENOUGH: usize = 200;
        let most = rehearsal.took.len().div_ceil(ENOUGH).max(1);
        let came = rehearsal.strangers();
        let mut questions = Vec::new();
        for (place, user) in rehearsal.took.iter().enumerate() {
            questions.push((user, Self::Regular));
            if place.is_multiple_of(most.min(2)) {
                questions.push((user, Self::Newcomer));
            }
            if came.is_none() && place.is_multiple_of(most.min(10)) {
                questions.push((user, Self::Stranger));
            }
        }
        questions.extend(came.into_iter().flatten().map(|user| (user, Self::Stranger)));
        questions
    }
}

/// A list in which fewer candidates than these were shown and passed over says too little of what the user does not
/// want; everything that was proposed is taken for it.
const FEWEST_PASSED_OVER: usize = 5;

/// The candidates of one question.
#[derive(Clone, Debug)]
pub struct ExampleList {
    /// The row of the user in the data.
    pub user: u32,
    /// How much was known of them.
    pub asker: Asker,
    /// At which cut of the data: 0 for the latest.
    pub cut: u32,
    /// Rows of its candidates.
    pub rows: Range<usize>,
    /// Items that the user then took, proposed or not.
    pub n_taken: usize,
    /// Items with which they then did each of the actions, proposed or not.
    pub n_done: Vec<usize>,
    /// Whether its candidates are what the user then took or was shown and passed over; else they are all that was
    /// proposed, and what was not taken may never have been seen.
    pub is_seen: bool,
}

/// Lists of candidates with their features, row by row.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// The columns.
    pub features: Vec<Feature>,
    /// The lists, in the order of the users.
    pub lists: Vec<ExampleList>,
    /// The item of each row.
    pub items: Vec<ItemId>,
    /// Whether the user then took it.
    pub is_taken: Vec<bool>,
    /// The actions of the data.
    pub actions: Vec<Action>,
    /// Whether the user then did each of the actions with the row's item, row by row.
    pub is_done: Vec<bool>,
    /// One value per row and feature, row-major.
    pub values: Vec<f32>,
}

impl Examples {
    /// Asks the rehearsal's pipeline for all its users and notes what the schema says of what it proposes, and what a
    /// blend does that knows nothing of what they then took.
    pub(super) fn gather(
        rehearsal: &Rehearsal,
        schema: &FeatureSchema,
        blend: Option<&Learned>,
        progress: &dyn Progress,
    ) -> Result<Self, FitError> {
        let questions = Asker::questions(rehearsal);
        progress.begin("examples", questions.len() as u64);
        let of_question = |((user, took), asker): &(&(u32, Vec<ItemId>), Asker)| {
            progress.advance(1);
            let request = match asker {
                Asker::Regular => rehearsal.of_regular(*user),
                Asker::Newcomer => rehearsal.of_newcomer(*user),
                Asker::Stranger => rehearsal.of_stranger(),
            };
            let (query, set) = rehearsal.ask(request)?;
            let mut matrix = schema.matrix(&query, &set).map_err(FitError::Features)?;
            if let Some(blend) = blend.and_then(|blend| blend.without(*user, &query, &set)) {
                let mut shares = vec![0.0; set.len()];
                blend.log_shares(&set, &mut shares);
                matrix.overwrite(BLEND, &shares);
            }
            Ok(Self::of(*user, *asker, matrix, set.ids(), took, rehearsal))
        };
        let lists: Result<Vec<Self>, FitError> = questions.par_iter().map(of_question).collect();
        let mut all = Self::default();
        lists?.into_iter().for_each(|list| all.append(list));
        progress.end(&all.to_string());
        Ok(all)
    }

    /// One list: of a user as they are what they took or were shown, where enough of that was passed over; of others
    /// everything.
    fn of(
        user: u32,
        asker: Asker,
        matrix: FeatureMatrix,
        proposed: &[ItemId],
        took: &[ItemId],
        rehearsal: &Rehearsal,
    ) -> Self {
        let is_taken = |row: &usize| took.binary_search(&proposed[*row]).is_ok();
        let was_shown = |row: &usize| rehearsal.was_shown(user, proposed[*row]);
        let all = 0..proposed.len();
        let n_passed_over = all.clone().filter(|row| was_shown(row) && !is_taken(row)).count();
        let is_seen = asker == Asker::Regular && n_passed_over >= FEWEST_PASSED_OVER;
        let rows: Vec<usize> = all.filter(|row| !is_seen || is_taken(row) || was_shown(row)).collect();
        let items: Vec<ItemId> = rows.iter().map(|&row| proposed[row]).collect();
        let actions = rehearsal.actions.clone();
        let done = |&id: &ItemId| (0..actions.len()).map(move |action| rehearsal.did(user, id, action));
        let list = ExampleList {
            user,
            asker,
            cut: rehearsal.cut,
            rows: 0..rows.len(),
            n_taken: took.len(),
            n_done: (0..actions.len()).map(|action| rehearsal.n_done(user, action)).collect(),
            is_seen,
        };
        Self {
            lists: vec![list],
            is_taken: rows.iter().map(is_taken).collect(),
            is_done: items.iter().flat_map(done).collect(),
            values: rows.iter().flat_map(|&row| matrix.row(row)).copied().collect(),
            features: matrix.into_parts().0,
            items,
            actions,
        }
    }

    /// Adds lists. A feature that one side lacks is missing there: early data may tell less of an item.
    pub(super) fn append(&mut self, mut other: Self) {
        if self.items.is_empty() && self.lists.is_empty() {
            *self = other;
            return;
        }
        if self.features != other.features {
            let lacks = |feature: &&Feature| other.features.iter().all(|known| known.name != feature.name);
            let beyond = self.features.iter().filter(lacks);
            let features: Vec<Feature> = other.features.iter().chain(beyond).cloned().collect();
            self.spread_over(&features);
            other.spread_over(&features);
        }
        let first = self.items.len();
        self.actions = other.actions;
        self.is_done.extend(other.is_done);
        self.lists.extend(other.lists.into_iter().map(|list| {
            let rows = first + list.rows.start..first + list.rows.end;
            ExampleList { rows, ..list }
        }));
        self.items.extend(other.items);
        self.is_taken.extend(other.is_taken);
        self.values.extend(other.values);
    }

    /// Rows of these features, its own among them; the others are missing.
    fn spread_over(&mut self, features: &[Feature]) {
        if self.features == features {
            return;
        }
        let mut values = Vec::with_capacity(self.items.len() * features.len());
        let place = |feature: &Feature| self.features.iter().position(|own| own.name == feature.name);
        let places: Vec<Option<usize>> = features.iter().map(place).collect();
        for row in 0..self.items.len() {
            let row = self.row(row);
            values.extend(places.iter().map(|place| place.map_or(MISSING, |place| row[place])));
        }
        self.values = values;
        self.features = features.to_vec();
    }

    /// Number of rows that were taken.
    pub fn n_taken(&self) -> usize {
        self.is_taken.iter().filter(|&&is_taken| is_taken).count()
    }

    /// Whether most of these lists are of what users saw. A share taken means one thing in lists of one kind alone, so
    /// only those of the more frequent kind say how likely a candidate is to be taken.
    pub fn are_seen(&self, lists: &[usize]) -> bool {
        2 * lists.iter().filter(|list| self.lists[**list].is_seen).count() > lists.len()
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.features.len()
    }

    /// The features of one row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width()..(row + 1) * self.width()]
    }
}

impl fmt::Display for Examples {
    /// As "80 lists with 900 candidates, 70 of them taken, of 140 features; 60 lists are of what was shown".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n_lists, n_rows, n_taken) = (self.lists.len(), self.items.len(), self.n_taken());
        write!(
            f,
            "{n_lists} lists with {n_rows} candidates, {n_taken} of them taken, of {} features",
            self.width()
        )?;
        match self.lists.iter().filter(|list| list.is_seen).count() {
            0 => Ok(()),
            n => write!(f, "; {n} lists are of what users were shown"),
        }
    }
}
