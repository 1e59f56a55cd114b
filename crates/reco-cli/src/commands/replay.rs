//! `reco replay`: pages that were written down, made again.

use crate::args::ReplayArgs;
use crate::output::{moment, print, table};
use crate::past::{By, Past, Try};
use crate::{Failure, Session};
use reco_core::page::Page;
use reco_core::pipeline::{PageRecord, Replay, ShownItem};
use reco_core::time::Timestamp;
use reco_http::PageJson;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What came of making pages again.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    pages: usize,
    /// The same byte for byte.
    same: usize,
    /// Others.
    different: usize,
    /// Others, of which that was to be expected.
    excused: usize,
    /// The mean share of a page's items that are on it again, 0 to 1.
    overlap: f64,
    /// Versions that made the pages, and by which they were made again.
    snapshots: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Those that are not the same.
    others: Vec<Other>,
}

/// A page that is another one now.
#[derive(Debug, Serialize)]
struct Other {
    request_id: Arc<str>,
    user_id: String,
    at: Timestamp,
    overlap: f64,
    /// Why it could not be the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    excuse: Option<&'static str>,
    then: Vec<ShownItem>,
    now: Vec<ShownItem>,
}

pub(crate) fn run(session: &Session, args: &ReplayArgs) -> Result<(), Failure> {
    let (mut past, mut records) = Past::open(session, &args.model)?;
    if let Some(id) = &args.id {
        records.retain(|record| *record.id == **id);
        if records.is_empty() {
            return Err(format!("no page of the request {id} was written down").into());
        }
    }
    let n_skipped = args.last.map_or(0, |last| records.len().saturating_sub(last));
    let by = if args.current { By::Settings(&session.config.pipeline) } else { By::Own };
    let mut outcome = Outcome::default();
    session.progress.begin("making pages again", (records.len() - n_skipped) as u64);
    let mut answer = None;
    past.each(&records[n_skipped..], |past, record, Try { is_last, is_known }| {
        let replay = past.maker(record, by)?;
        let page = replay.page(record)?;
        let is_same = page.digest() == record.digest;
        if is_same || is_last {
            outcome.add(record, &page, is_known);
            session.progress.advance(1);
            answer = args.body.then(|| body(record, replay, &page)).transpose()?;
        }
        Ok(is_same)
    })?;
    session.progress.end("");
    if let Some(answer) = answer {
        return print(&answer);
    }
    outcome.overlap /= outcome.pages.max(1) as f64;
    let names_page = args.id.is_some();
    session.output.result(&outcome, |outcome| rendered(outcome, names_page))?;
    let is_own = !args.current && args.model.version.is_none();
    if is_own && outcome.different > 0 {
        return Err(format!("{} pages are not what they were", outcome.different).into());
    }
    Ok(())
}

/// The answer as it was given over HTTP.
fn body(record: &PageRecord, replay: &Replay, page: &Page) -> Result<String, Failure> {
    let snapshot = replay.snapshot();
    let page = Page { snapshot: Arc::clone(&record.snapshot), found: record.found, ..page.clone() };
    let answer = PageJson::new(&record.id, &record.request.user, &page, &snapshot.catalog);
    Ok(serde_json::to_string(&answer.experiments(&record.variants))?)
}

impl Outcome {
    fn add(&mut self, record: &PageRecord, page: &Page, is_known: bool) {
        self.pages += 1;
        if *record.snapshot != *page.snapshot {
            self.snapshots.insert((Arc::clone(&record.snapshot), Arc::clone(&page.snapshot)));
        }
        if page.digest() == record.digest {
            self.same += 1;
            self.overlap += 1.0;
            return;
        }
        let now = page.shown();
        let items: BTreeSet<&str> = now.iter().map(|shown| shown.item.as_str()).collect();
        let n_again = record.items.iter().filter(|shown| items.contains(shown.item.as_str())).count();
        let overlap = n_again as f64 / record.items.len().max(now.len()).max(1) as f64;
        let excuse = excuse(record, is_known);
        self.overlap += overlap;
        *if excuse.is_some() { &mut self.excused } else { &mut self.different } += 1;
        self.others.push(Other {
            request_id: Arc::clone(&record.id),
            user_id: record.request.user.to_string(),
            at: record.at,
            overlap,
            excuse,
            then: record.items.clone(),
            now,
        });
    }
}

/// Why a page could not be the same.
fn excuse(record: &PageRecord, is_known: bool) -> Option<&'static str> {
    if record.until.is_some() {
        Some("events came while it was made")
    } else if record.is_degraded {
        Some("something had failed or come too late")
    } else if record.found.is_some() {
        Some("it was kept from an earlier request")
    } else if !is_known {
        Some("the log has not all the events that were known")
    } else {
        None
    }
}

/// Pages that are told one by one.
const MOST_TOLD: usize = 20;

fn rendered(outcome: &Outcome, names_page: bool) -> String {
    let Outcome { pages, same, different, excused, overlap, snapshots, others } = outcome;
    let mut text = format!(
        "{pages} pages made again: {same} the same byte for byte, {different} others, {excused} that could not be the same; \
         {:.1} % of the items are there again\n",
        overlap * 100.0
    );
    for (then, now) in snapshots {
        text.push_str(&format!("made by {then} then, by {now} now\n"));
    }
    if names_page {
        others.iter().for_each(|other| text.push_str(&side_by_side(other)));
        return text;
    }
    if others.is_empty() {
        return text;
    }
    let mut table = table(["request", "user", "made for", "items again", "why"]);
    for Other { request_id, user_id, at, overlap, excuse, .. } in others.iter().take(MOST_TOLD) {
        let share = format!("{:.0} %", overlap * 100.0);
        table.add_row([&**request_id, user_id, &moment(*at), &share, excuse.unwrap_or_default()]);
    }
    text.push_str(&format!("{table}\n"));
    if others.len() > MOST_TOLD {
        text.push_str(&format!("and {} more; --json has all\n", others.len() - MOST_TOLD));
    }
    text
}

/// A page then and now, place by place.
fn side_by_side(Other { then, now, excuse, .. }: &Other) -> String {
    let mut table = table(["place", "then", "score", "now", "score"]);
    let cells = |shown: Option<&ShownItem>| {
        shown.map_or_else(Default::default, |shown| [shown.item.to_string(), format!("{:.6}", shown.score)])
    };
    for place in 0..then.len().max(now.len()) {
        let [was, had] = cells(then.get(place));
        let [is, has] = cells(now.get(place));
        table.add_row([(place + 1).to_string(), was, had, is, has]);
    }
    let excuse = excuse.map(|excuse| format!("it could not be the same: {excuse}\n")).unwrap_or_default();
    format!("{table}\n{excuse}")
}
