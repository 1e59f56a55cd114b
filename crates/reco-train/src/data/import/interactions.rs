//! Interactions: who, what, how and when.

use super::Import;
use crate::data::cells::{Cells, Id, Misfit};
use crate::data::extra::Growing;
use crate::data::source::{About, Source, View};
use crate::data::{DataError, Preset};
use crate::progress::Progress;
use reco_core::event::Action;
use reco_core::id::ItemId;
use reco_core::interactions::InteractionLog;
use reco_core::time::Timestamp;
use rustc_hash::FxHashMap;
use std::borrow::Cow;

impl Import {
    pub(in crate::data) fn interactions(
        &mut self,
        source: Source,
        progress: &dyn Progress,
    ) -> Result<(), DataError> {
        self.kept[2] = source.about.kept();
        let columns = source.about.layout.extra.clone();
        let fallback = self.default_action.clone().unwrap_or_else(|| usual_action(&source.about));
        let (path, n_bad) = (source.about.path().to_owned(), self.bad.count);
        let mut known = Known::default();
        let mut kept: Vec<Growing> = columns.iter().map(|_| Growing::default()).collect();
        self.each_batch(source, "reading interactions", progress, |import, view| {
            let fields = Fields::of(view);
            let mut actions = Actions::new(fields.action, &fallback);
            for (extra, kept) in columns.iter().zip(&mut kept) {
                kept.prepare(view.column(extra.column));
            }
            for row in 0..view.n_rows() {
                if let Err(misfit) = import.interaction(&fields, row, &mut actions, &mut known) {
                    import.bad.tolerate(view.bad(row, misfit))?;
                    continue;
                }
                for (extra, kept) in columns.iter().zip(&mut kept) {
                    kept.push(view.column(extra.column), row);
                }
            }
            Ok(())
        })?;
        if self.log.is_empty() {
            return Err(DataError::NoInteractions { path, left_out: self.bad.count - n_bad });
        }
        for (extra, kept) in columns.into_iter().zip(kept) {
            if let Some(column) = kept.finish(extra.is_untyped) {
                self.extra.insert(extra.name, column);
            }
        }
        progress.end(&format!("{} interactions", self.log.len()));
        Ok(())
    }

    /// Appends a row to the log; one that misfits leaves no trace.
    fn interaction(
        &mut self,
        fields: &Fields<'_, '_>,
        row: usize,
        actions: &mut Actions<'_, '_>,
        known: &mut Known,
    ) -> Result<(), Misfit> {
        let value = fields.value.map_or(Ok(None), |cells| cells.number(row))?;
        let at = fields.timestamp.map_or(Ok(Timestamp::default()), |cells| fields.moment(cells, row))?;
        let (user, item) = (fields.user.id(row)?, fields.item.id(row)?);
        let action = actions.of(row, &self.log)?;
        if value.is_none() && *action == Action::Rating {
            return Err(fields.without_rating(row));
        }
        let user = match user {
            Id::Text(key) => self.log.users.intern(&key),
            Id::Whole(number) => {
                let intern = || self.log.users.intern(&number.to_string());
                *known.users.entry(number).or_insert_with(intern)
            }
        };
        let mut intern = |key: &str| self.catalog.intern(key).expect("an id is not empty");
        let item = match item {
            Id::Text(key) => intern(&key),
            Id::Whole(number) => *known.items.entry(number).or_insert_with(|| intern(&number.to_string())),
        };
        self.log.push(user, item, action, value, at);
        Ok(())
    }
}

/// Parts of the names of columns that hold ratings, not quantities or amounts.
const RATING_NAMES: [&str; 3] = ["rating", "star", "score"];

/// The action of interactions that do not say.
fn usual_action(about: &About) -> Action {
    let is_rating = |name: &str| RATING_NAMES.iter().any(|part| name.to_lowercase().contains(part));
    if about.name_of("value").is_some_and(is_rating) { Action::Rating } else { Action::Purchase }
}

/// Whole numbers met as keys: they are found again without making text of them.
#[derive(Default)]
struct Known {
    users: FxHashMap<i64, u32>,
    items: FxHashMap<i64, ItemId>,
}

/// The cells of a batch by field.
struct Fields<'a, 'b> {
    user: &'b Cells<'a>,
    item: &'b Cells<'a>,
    action: Option<&'b Cells<'a>>,
    value: Option<&'b Cells<'a>>,
    timestamp: Option<&'b Cells<'a>>,
    preset: Option<Preset>,
}

impl<'a, 'b> Fields<'a, 'b> {
    fn of(view: &'b View<'a>) -> Self {
        Self {
            user: view.required("user"),
            item: view.required("item"),
            action: view.field("action"),
            value: view.field("value"),
            timestamp: view.field("timestamp"),
            preset: view.about().preset,
        }
    }

    /// When it was; the epoch where the layout allows that nobody knows. Nobody clicked before 1970: a
    /// negative number stands for something else there.
    fn moment(&self, cells: &Cells<'_>, row: usize) -> Result<Timestamp, Misfit> {
        let Some(at) = cells.moment(row)? else {
            return if self.preset.is_some_and(Preset::has_unknown_moments) {
                Ok(Timestamp::default())
            } else {
                Err(cells.misfit(row, "must be the moment of the interaction"))
            };
        };
        if at < Timestamp::default() {
            return Err(cells.misfit(row, "is before 1970, must be a moment in seconds or a later date"));
        }
        Ok(at)
    }

    /// What is wrong with a rating without a value.
    fn without_rating(&self, row: usize) -> Misfit {
        match (self.value, self.action) {
            (Some(value), _) => value.misfit(row, "must be the rating"),
            (None, Some(action)) => {
                action.misfit(row, "needs a value, but no column has any (--column value=COLUMN)")
            }
            (None, None) => {
                self.item.misfit(row, "was rated, but no column says how (--column value=COLUMN)")
            }
        }
    }
}

/// Actions of a batch; runs of the same one are recognised without looking it up again.
struct Actions<'a, 'b> {
    cells: Option<&'b Cells<'a>>,
    fallback: &'b Action,
    /// The one last looked up.
    last: Option<(Cow<'a, str>, Action)>,
}

impl<'a, 'b> Actions<'a, 'b> {
    fn new(cells: Option<&'b Cells<'a>>, fallback: &'b Action) -> Self {
        Self { cells, fallback, last: None }
    }

    /// The action of a row, as long as `log` has room for it.
    fn of(&mut self, row: usize, log: &InteractionLog) -> Result<&Action, Misfit> {
        let Some(cells) = self.cells else { return Ok(self.fallback) };
        let with_room = |action| {
            let want = "is the 257th distinct action, there may be 256: is this the column of actions?";
            if log.has_room_for(action) { Ok(action) } else { Err(cells.misfit(row, want)) }
        };
        let Some(name) = cells.text(row) else { return with_room(self.fallback) };
        if self.last.as_ref().is_none_or(|(last, _)| *last != name) {
            let action = Action::from(&*name);
            self.last = Some((name, action));
        }
        with_room(self.last.as_ref().map_or(self.fallback, |(_, action)| action))
    }
}
