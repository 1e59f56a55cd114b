//! A request in the light of one snapshot: what every stage may read.

use crate::catalog::Catalog;
use crate::event::Action;
use crate::features::UserFeatures;
use crate::id::{ItemId, ItemKey};
use crate::interactions::Touch;
use crate::launch::Showing;
use crate::live::Live;
use crate::request::{Request, Surface};
use crate::snapshot::Snapshot;
use crate::time::{Budget, Timestamp};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::any::{Any, TypeId};
use std::sync::Arc;

/// Everything a stage may look at. Built once a request; nothing in it changes
/// while the request runs, so that the same inputs give the same page.
#[derive(Debug)]
pub struct Query {
    /// What was asked.
    pub request: Arc<Request>,
    /// The pinned model generation.
    pub snapshot: Arc<Snapshot>,
    /// The live layer, for what is not about this user.
    pub live: Arc<Live>,
    /// The moment the request counts as made.
    pub now: Timestamp,
    /// Time left for the whole page.
    pub budget: Budget,
    /// Time left for candidates; a generator still running then is left behind.
    pub retrieval: Budget,
    /// What the page may show of items that are new.
    pub showing: Showing,
    user_row: Option<u32>,
    history: Vec<Touch>,
    session: Vec<ItemId>,
    anchors: Vec<ItemId>,
    n_fresh: usize,
    interests: Vec<ItemId>,
    began: Option<Timestamp>,
    memo: Memo,
}

impl Query {
    /// How many of the latest items stand for the user's current interest.
    pub(crate) const ANCHORS: usize = 20;

    /// Brings together what is known about the user: the snapshot's history and the latest events.
    pub fn new(
        request: Arc<Request>,
        snapshot: Arc<Snapshot>,
        live: Arc<Live>,
        features: &UserFeatures,
        budget: Budget,
    ) -> Self {
        let now = request.context.time.unwrap_or_else(|| budget.clock().wall());
        let user_row = snapshot.users.row(request.user.as_str());
        let trained = user_row.map_or(&[][..], |row| snapshot.histories.of(row));
        let (history, n_fresh) = merge_history(trained, features, &snapshot, &live);
        let session = request.context.session_items.iter();
        let session: Vec<ItemId> = session.filter_map(|key| snapshot.catalog.id(key.as_str())).collect();
        let anchors = anchors(&request, &snapshot, &session, &history);
        let interests = interests(features, &snapshot.catalog);
        let first_event = features.recent().iter().map(|event| event.at).min();
        let began = history.iter().map(|touch| touch.first).min().into_iter().chain(first_event).min();
        Self {
            retrieval: budget.clone(),
            showing: Showing::default(),
            memo: Memo::default(),
            request,
            snapshot,
            live,
            now,
            budget,
            user_row,
            history,
            session,
            anchors,
            n_fresh,
            interests,
            began,
        }
    }

    /// The user's row in the snapshot, if training knew them.
    pub fn user_row(&self) -> Option<u32> {
        self.user_row
    }

    /// The user's items, newest first: training data and the latest events together.
    pub fn history(&self) -> &[Touch] {
        &self.history
    }

    /// How many events the snapshot has not seen went into the history.
    pub fn n_fresh(&self) -> usize {
        self.n_fresh
    }

    /// How many interactions are known of the user; each item of the running session that they did not have is one.
    pub fn n_interactions(&self) -> usize {
        let known: usize = self.history.iter().map(|touch| touch.count.max(1) as usize).sum();
        known + self.session.iter().filter(|item| self.touch(**item).is_none()).count()
    }

    /// When the user's first known event happened.
    pub fn began(&self) -> Option<Timestamp> {
        self.began
    }

    /// Codes of the categories that the user last said to be interested in, each once.
    pub fn interests(&self) -> Vec<u32> {
        let mut codes: Vec<u32> = Vec::new();
        for code in self.interests.iter().filter_map(|&item| self.snapshot.catalog.category().code(item)) {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        codes
    }

    /// What the page should rest on, most important first: the item of a similar-items
    /// page, else the session's items and the latest of the history that were not rejected.
    pub fn anchors(&self) -> &[ItemId] {
        &self.anchors
    }

    /// The items that speak for the user's taste with their weights, newest first, then those of the
    /// running session; one of these counts as one event. Rejected ones are left out.
    pub fn liked(&self) -> Vec<(ItemId, f32)> {
        let liked = self.history.iter().filter(|touch| touch.is_liked());
        let mut liked: Vec<(ItemId, f32)> = liked.map(|touch| (touch.item, touch.weight)).collect();
        for &item in &self.session {
            if !liked.iter().any(|(known, _)| *known == item) {
                liked.push((item, 1.0));
            }
        }
        liked
    }

    /// The user's own record of an item, if there is one.
    pub fn touch(&self, item: ItemId) -> Option<&Touch> {
        self.places().of(item).map(|place| &self.history[place])
    }

    /// Where in the history each item stands, for who asks about many.
    pub(crate) fn places(&self) -> Arc<Places> {
        self.memo(Places::new)
    }

    /// When the user last bought or rated an item; now, where it belongs to the running session.
    pub fn had(&self, item: ItemId) -> Option<Timestamp> {
        self.touch(item).and_then(|touch| touch.consumed).max(self.is_at_hand(item).then_some(self.now))
    }

    /// Whether the item belongs to the running session.
    pub(crate) fn is_at_hand(&self, item: ItemId) -> bool {
        self.session.contains(&item)
    }

    /// Codes of the categories that the request is about: its surface's, else those its filter names.
    pub fn categories(&self) -> Vec<u32> {
        let labels = self.snapshot.catalog.category();
        let of_filter = || self.request.filter.as_ref().map(|filter| filter.named("category"));
        let names = match &self.request.surface {
            Surface::Category(name) => vec![&**name],
            Surface::Home => of_filter().unwrap_or_default(),
            Surface::Similar(_) => {
                return self.anchors.iter().filter_map(|&item| labels.code(item)).collect();
            }
        };
        names.into_iter().filter_map(|name| labels.find(name)).collect()
    }

    /// What the request asks for in vain, one line each.
    pub fn remarks(&self) -> Vec<String> {
        let (request, catalog) = (&*self.request, &self.snapshot.catalog);
        let of_filter = request.filter.iter().flat_map(|filter| filter.remarks(catalog));
        let mut remarks: Vec<String> = of_filter.map(|remark| format!("filter: {remark}")).collect();
        let lists = [("exclude", &request.exclude), ("session_items", &request.context.session_items)];
        remarks.extend(lists.into_iter().filter_map(|(field, keys)| not_there(field, keys, catalog)));
        remarks
    }

    /// A value that several components need, computed once a request.
    ///
    /// Two components that ask at the same moment may both compute it; `compute` must
    /// therefore depend on the query alone.
    pub fn memo<T: Any + Send + Sync>(&self, compute: impl FnOnce(&Self) -> T) -> Arc<T> {
        if let Some(known) = self.memo.get::<T>() {
            return known;
        }
        let value = Arc::new(compute(self));
        self.memo.put(Arc::clone(&value));
        value
    }
}

/// Items named that the catalogue lacks, the first of them by key.
fn not_there(field: &str, keys: &[ItemKey], catalog: &Catalog) -> Option<String> {
    let unknown: Vec<&str> =
        keys.iter().map(ItemKey::as_str).filter(|key| catalog.id(key).is_none()).collect();
    let named: Vec<String> = unknown.iter().take(MOST_NAMED).map(|key| format!("`{key}`")).collect();
    let (named, more) = (named.join(", "), unknown.len().saturating_sub(MOST_NAMED));
    match (unknown.len(), more) {
        (0, _) => None,
        (1, _) => Some(format!("{field}: {named} is not in the catalogue")),
        (_, 0) => Some(format!("{field}: {named} are not in the catalogue")),
        _ => Some(format!("{field}: {named} and {more} more are not in the catalogue")),
    }
}

/// Items that a remark names.
const MOST_NAMED: usize = 3;

/// Places of items in a history.
pub(crate) struct Places(FxHashMap<ItemId, u32>);

impl Places {
    fn new(query: &Query) -> Self {
        Self(query.history.iter().zip(0..).map(|(touch, place)| (touch.item, place)).collect())
    }

    /// The place of an item, 0 for the newest.
    pub(crate) fn of(&self, item: ItemId) -> Option<usize> {
        self.0.get(&item).map(|&place| place as usize)
    }
}

/// Type-keyed values of one request; few, so a list does.
#[derive(Default)]
struct Memo(Mutex<Vec<(TypeId, Arc<dyn Any + Send + Sync>)>>);

impl Memo {
    fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let values = self.0.lock();
        let (_, value) = values.iter().find(|(key, _)| *key == TypeId::of::<T>())?;
        Arc::clone(value).downcast().ok()
    }

    fn put<T: Any + Send + Sync>(&self, value: Arc<T>) {
        self.0.lock().push((TypeId::of::<T>(), value));
    }
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memo({} values)", self.0.lock().len())
    }
}

/// The trained history with the events the snapshot has not seen, newest first.
fn merge_history(
    trained: &[Touch],
    features: &UserFeatures,
    snapshot: &Snapshot,
    live: &Live,
) -> (Vec<Touch>, usize) {
    let mut history = trained.to_vec();
    let (mut n_fresh, mut takes_back) = (0, false);
    for event in features.recent() {
        let verdict = live.weights().verdict(&event.action, event.value);
        let item = snapshot.catalog.id(event.item.as_str());
        let Some(item) = item.filter(|_| verdict.leaves_trace(&event.action)) else { continue };
        let known = history.iter().position(|touch| touch.item == item);
        // What training saw must not count twice; an event may well be older than the end of the data.
        let is_trained = |row: usize| row < trained.len() && trained[row].last >= event.at;
        if event.at <= snapshot.data_until && known.is_some_and(is_trained) {
            continue;
        }
        let row = known.unwrap_or_else(|| {
            history.push(Touch::new(item, event.at));
            history.len() - 1
        });
        takes_back |= verdict.takes_back();
        history[row].add(&event.action, verdict, event.at);
        n_fresh += 1;
    }
    if takes_back {
        history.retain(|touch| !touch.is_void());
    }
    if n_fresh > 0 {
        crate::interactions::newest_first(&mut history);
    }
    (history, n_fresh)
}

/// Items that stand for the categories of the user's latest interests; those of one moment belong together.
fn interests(features: &UserFeatures, catalog: &Catalog) -> Vec<ItemId> {
    let told = || features.recent().iter().filter(|event| event.action == Action::Interest);
    let latest = told().map(|event| event.at).max();
    told()
        .filter(|event| Some(event.at) == latest)
        .filter_map(|event| catalog.id(event.item.as_str()))
        .collect()
}

fn anchors(request: &Request, snapshot: &Snapshot, session: &[ItemId], history: &[Touch]) -> Vec<ItemId> {
    if let Surface::Similar(item) = &request.surface {
        return snapshot.catalog.id(item.as_str()).into_iter().collect();
    }
    let session = session.iter().rev().copied();
    let liked = history.iter().filter(|touch| touch.is_liked()).map(|touch| touch.item);
    let mut anchors = Vec::with_capacity(Query::ANCHORS);
    for item in session.chain(liked) {
        if anchors.len() == Query::ANCHORS {
            break;
        }
        if !anchors.contains(&item) {
            anchors.push(item);
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ActionWeights, Event, EventId};
    use crate::fixture;
    use crate::interactions::{Histories, InteractionLog};
    use crate::time::ManualClock;
    use std::time::Duration;

    #[test]
    fn items_named_in_vain_are_remarked_on() {
        let check = |keys: &[&str], remark: Option<&str>| {
            let keys: Vec<ItemKey> = keys.iter().map(|&key| key.into()).collect();
            assert_eq!(not_there("exclude", &keys, &fixture::snapshot().catalog).as_deref(), remark);
        };
        check(&[], None);
        check(&["item7"], None);
        check(&["item7", "a"], Some("exclude: `a` is not in the catalogue"));
        check(&["a", "b"], Some("exclude: `a`, `b` are not in the catalogue"));
        check(&["a", "b", "c", "d", "e"], Some("exclude: `a`, `b`, `c` and 2 more are not in the catalogue"));
    }

    fn event(user: &str, item: &str, action: Action, value: f32, id: u128) -> Event {
        Event {
            id: EventId(id),
            user: user.into(),
            item: item.into(),
            action,
            value: Some(value),
            at: fixture::day(99),
            details: None,
        }
    }

    #[test]
    fn live_ratings_count_as_imported_ones_do() {
        for value in [5.0, 4.0, 3.9, 1.0, -1.0] {
            let (action, at) = (Action::Rating, fixture::day(99));
            let mut log = InteractionLog::default();
            let bob = log.users.intern("bob");
            log.push(bob, ItemId::new(7), &action, Some(value), at);
            let imported = Histories::from_log(&log, &ActionWeights::default());
            let event = event("bob", "item7", action, value, 0);
            let query = Query::new(
                Arc::new(Request::for_user("bob")),
                Arc::new(fixture::snapshot()),
                Arc::new(Live::default()),
                &UserFeatures::of([&event]),
                Budget::start(Arc::new(ManualClock::starting_at(at)), Duration::from_millis(50)),
            );
            assert_eq!(query.history(), imported.of(bob), "a rating of {value}");
        }
    }

    #[test]
    fn what_is_taken_back_live_is_gone() {
        let taken_back = |user: &str, item: &str, action: &Action| {
            let at = fixture::day(99);
            let [taken, back] =
                [(1.0, 0), (-1.0, 1)].map(|(value, id)| event(user, item, action.clone(), value, id));
            Query::new(
                Arc::new(Request::for_user(user)),
                Arc::new(fixture::snapshot()),
                Arc::new(Live::default()),
                &UserFeatures::of([&taken, &back]),
                Budget::start(Arc::new(ManualClock::starting_at(at)), Duration::from_millis(50)),
            )
        };
        for action in [Action::Purchase, Action::Like, Action::Hide] {
            assert_eq!(taken_back("bob", "item7", &action).history(), [], "{action}");
        }
        let once_more = taken_back("ann", "item5", &Action::Purchase);
        let touch = once_more.touch(ItemId::new(5)).unwrap();
        assert_eq!((touch.count, touch.weight), (1, 1.0));
    }
}
