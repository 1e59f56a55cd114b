//! The server as it once was, so that pages can be made again.

use crate::args::{ModelArgs, Role};
use crate::events::Keep;
use crate::registry::Versions;
use crate::{Failure, Session, model};
use reco_core::catalog::ItemRecord;
use reco_core::live::Places;
use reco_core::pipeline::{PageLog, PageRecord, PipelineConfig, Replay};
use reco_core::store::{Delivery, DurableLog, ItemLog, Scan};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec;

/// Goes through the pages that were written down, and knows of events and items what was known then.
pub(crate) struct Past<'a> {
    session: &'a Session,
    folder: PathBuf,
    /// Where the versions are that made the pages; nothing where all pages are made by one snapshot.
    versions: Option<Versions>,
    main: Replay,
    /// By settings and version, those that are not the main one's.
    beside: BTreeMap<(Arc<str>, Option<u64>), Replay>,
    log: Log,
    items: vec::IntoIter<ItemRecord>,
}

/// The events, read as far as a page needs them.
struct Log {
    scan: Scan,
    /// The offset that would come next.
    next: u64,
    /// Read, and not known yet to the page that was made last.
    waiting: Vec<Delivery>,
}

/// A page is tried with so many states at most.
const MOST_TRIES: usize = 64;

/// An attempt to make a page again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Try {
    /// Whether no other follows.
    pub(crate) is_last: bool,
    /// Whether what was known then is known.
    pub(crate) is_known: bool,
}

/// By what a page is made again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    /// The settings and the version that made it.
    Own,
    /// These settings, on its own version.
    Settings(&'a PipelineConfig),
    /// These settings, on this version.
    Version(&'a PipelineConfig, u64),
}

impl<'a> Past<'a> {
    /// Pages in the folder that the configuration names, and the events beside them. A snapshot or version that `args` name makes all of
    /// them; else each is made by its own, where a registry has it.
    pub(crate) fn open(session: &'a Session, args: &ModelArgs) -> Result<(Self, Vec<PageRecord>), Failure> {
        let config = &session.config;
        let folder = config.pages.folder(&config.events);
        let records = records(session, &folder)?;
        if config.events.keep == Keep::Kafka {
            return Err(
                "pages can be made again only where their events are on disk (events.keep = \"disk\")".into(),
            );
        }
        let log = Log { scan: DurableLog::look(&config.events.path, 0)?, next: 0, waiting: Vec::new() };
        let items = ItemLog::look(&config.events.path.join("items.jsonl"))?.into_iter();
        let versions = model::versions(session, args)?.filter(|_| args.version.is_none());
        let first = records.first().and_then(|record| number(&record.snapshot));
        let snapshot = match (&versions, first) {
            (Some(versions), Some(number)) => model::version(session, versions, number)?,
            _ => model::snapshot(session, args)?,
        };
        let main = Replay::new(model::builder(session, snapshot)?, model::live(session))?;
        Ok((Self { session, folder, versions, main, beside: BTreeMap::new(), log, items }, records))
    }

    /// Goes through pages in their order. `again` makes one of them with what was known then, and says whether it is as it was. One that events
    /// came into is tried with ever more of them, until it is; the `last` time it is asked what came of it in any case.
    pub(crate) fn each<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r PageRecord>,
        mut again: impl FnMut(&mut Self, &PageRecord, Try) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let mut open: Vec<(&PageRecord, usize)> = Vec::new();
        for record in records {
            // First of all, so that events find the items that they are about.
            self.serve_as(record)?;
            while self.tell(&record.events, !open.is_empty()) {
                self.try_open(&mut open, &mut again)?;
            }
            let is_known = self.main.may_make(record);
            let is_last = record.until.is_none() || !is_known;
            if !again(self, record, Try { is_last, is_known })? && !is_last {
                open.push((record, 1));
            }
        }
        while let Some(until) = open.iter().find_map(|(record, _)| record.until.clone()) {
            if !self.tell(&until, true) {
                // There are no more events to try it with.
                open.iter_mut().for_each(|(_, n_tries)| *n_tries = MOST_TRIES);
            }
            self.try_open(&mut open, &mut again)?;
        }
        Ok(())
    }

    /// Tries pages that events came into once more; those that are as they were, or can never be, are done with.
    fn try_open(
        &mut self,
        open: &mut Vec<(&PageRecord, usize)>,
        again: &mut impl FnMut(&mut Self, &PageRecord, Try) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        for (record, n_tries) in std::mem::take(open) {
            let is_known = self.main.may_make(record);
            let is_last = !is_known || n_tries + 1 >= MOST_TRIES;
            if !again(self, record, Try { is_last, is_known })? && !is_last {
                open.push((record, n_tries + 1));
            }
        }
        Ok(())
    }

    /// Lets it know of events that it does not know, all or just one of them, and says whether there were any.
    fn tell(&mut self, events: &Places, just_one: bool) -> bool {
        let Log { scan, next, waiting } = &mut self.log;
        while *next < events.end(0) {
            match scan.next() {
                Some(Ok(delivery)) => {
                    *next = delivery.place.offset + 1;
                    waiting.push(delivery);
                }
                Some(Err(error)) => self.session.output.note(&error.to_string()),
                None => break,
            }
        }
        let is_known = |delivery: &Delivery| events.contains(delivery.place);
        let known: Vec<Delivery> = if just_one {
            let first = waiting.iter().position(is_known);
            first.map(|first| waiting.remove(first)).into_iter().collect()
        } else {
            waiting.extract_if(.., |delivery| is_known(delivery)).collect()
        };
        self.main.tell(&known);
        !known.is_empty()
    }

    /// Puts the version and the items in place that were there when a page was made.
    fn serve_as(&mut self, record: &PageRecord) -> Result<(), Failure> {
        if record.variants.is_empty() {
            self.serve_by(record)?;
        }
        let snapshot = self.main.snapshot();
        let mut n_items = snapshot.catalog.len();
        // Items come to the snapshot that serves everybody, not to those of variants.
        let is_of_main = self.versions.is_none() || *snapshot.version == *record.snapshot;
        while is_of_main && n_items < record.n_items {
            let Some(item) = self.items.next() else { break };
            self.main.add(vec![item]).map_err(|fault| fault.message())?;
            n_items = self.main.snapshot().catalog.len();
        }
        Ok(())
    }

    /// The number of a version in the registry.
    pub(crate) fn number(&self, role: Role) -> Result<u64, Failure> {
        let versions = self.versions.as_ref();
        versions.ok_or("--version needs a registry; name one by registry.path")?.number(role)
    }

    /// Puts the version in place that served everybody then, if it is another.
    fn serve_by(&mut self, record: &PageRecord) -> Result<(), Failure> {
        let Some(versions) = &self.versions else { return Ok(()) };
        if *self.main.snapshot().version != *record.snapshot
            && let Some(number) = number(&record.snapshot)
        {
            self.main.swap(versions.load(number)?);
            // Pipelines of variants on the version that served before would be taken for those of this one.
            self.beside.clear();
        }
        Ok(())
    }

    /// What makes a page of this record.
    pub(crate) fn maker(&mut self, record: &PageRecord, by: By<'_>) -> Result<&Replay, Failure> {
        let (name, config, version) = match by {
            By::Own => (Arc::clone(&record.settings), None, number(&record.snapshot)),
            By::Settings(config) => ("current".into(), Some(config), number(&record.snapshot)),
            By::Version(config, version) => ("current".into(), Some(config), Some(version)),
        };
        let is_of_main = number(&self.main.snapshot().version) == version;
        let own = self.versions.as_ref().filter(|_| !is_of_main).zip(version);
        let key = (name, own.as_ref().map(|(_, version)| *version));
        if !self.beside.contains_key(&key) {
            let config = match config {
                Some(config) => config.clone(),
                None => PageLog::settings(&self.folder, &record.settings)?,
            };
            let name = format!("{} {:?}", key.0, key.1);
            let replay = match own {
                Some((versions, number)) => {
                    let snapshot = versions.load(number)?;
                    self.main.beside_on_own_snapshot(&name, config.builder(snapshot)?)?
                }
                None => self.main.beside(&name, config.builder(self.main.snapshot())?)?,
            };
            self.beside.insert(key.clone(), replay);
        }
        self.beside.get(&key).ok_or_else(|| "a pipeline that was just made is gone".into())
    }
}

/// The pages in a folder in the order in which the events were known that they rest on.
fn records(session: &Session, folder: &std::path::Path) -> Result<Vec<PageRecord>, Failure> {
    let way = "`reco serve` writes pages down with pages.keep = \"all\", or where pipeline.explore fills places by chance";
    if !folder.is_dir() {
        return Err(format!("{}: there are no pages here; {way}", folder.display()).into());
    }
    let mut records: Vec<PageRecord> = Vec::new();
    for found in PageLog::look(folder)? {
        match found {
            Ok(record) => records.push(record),
            Err(error) => session.output.note(&error.to_string()),
        }
    }
    if records.is_empty() {
        return Err(format!("{}: no page was written down yet; {way}", folder.display()).into());
    }
    records.sort_by_key(|record| record.events.count());
    Ok(records)
}

/// The number of a version in a registry.
fn number(version: &str) -> Option<u64> {
    match version.parse() {
        Ok(Role::Number(number)) => Some(number),
        Ok(Role::Named(_)) | Err(_) => None,
    }
}
