//! What documents must say, recomputed from the log in the plainest way, and what they do say.

use crate::PATIENCE;
use crate::stack::{primary, redis};
use reco_core::event::{Action, Event, EventId};
use reco_core::store::EventSource;
use reco_kafka::{KafkaConfig, KafkaSource, ranges};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Fields of a document that follow from the events alone, not from when they came.
const FIELDS: [&str; 6] = [
    "behavioural.interactions",
    "behavioural.actions.click",
    "behavioural.actions.view",
    "behavioural.actions.purchase",
    "recency.last_at",
    "recency.last_items",
];

/// Items in `recency.last_items`.
const LAST_ITEMS: usize = 5;

/// The fields of documents, by key.
type Documents = BTreeMap<String, Vec<String>>;

/// The events of the log.
pub(crate) struct Log {
    events: BTreeMap<EventId, Event>,
    /// Copies of events that were there already.
    n_repeated: usize,
}

impl Log {
    /// Everything there is now.
    pub(crate) fn read(config: &KafkaConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(Self::read_all(config))
    }

    async fn read_all(config: &KafkaConfig) -> Self {
        let begun = Instant::now();
        let ends = loop {
            // A broker that went may still be asked.
            match ranges(config).await {
                Ok(ranges) => break ranges,
                Err(cause) => assert!(begun.elapsed() < PATIENCE, "{cause}"),
            }
        };
        let mut source = KafkaSource::open_alone(config, "oracle", &BTreeMap::new()).await.expect("a reader");
        let (mut log, mut next) = (Self { events: BTreeMap::new(), n_repeated: 0 }, BTreeMap::new());
        while ends.iter().any(|(partition, range)| next.get(partition).unwrap_or(&range.start) < &range.end) {
            assert!(begun.elapsed() < PATIENCE, "read up to {next:?} of {ends:?}");
            // What is no event moves the position without being handed out.
            if let Ok(polled) = timeout(Duration::from_millis(200), source.poll(10_000)).await {
                for delivery in polled.expect("the log can be read") {
                    let before = log.events.insert(delivery.event.id, delivery.event);
                    log.n_repeated += usize::from(before.is_some());
                }
            }
            next.extend(source.positions());
        }
        source.close().await;
        log
    }

    /// Which of them are exposures to experiments.
    pub(crate) fn exposures(&self) -> BTreeSet<EventId> {
        let exposures = self.events.values().filter(|event| event.action == Action::Exposure);
        exposures.map(|event| event.id).collect()
    }

    pub(crate) fn has(&self, id: EventId) -> bool {
        self.events.contains_key(&id)
    }

    pub(crate) fn n_events(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn n_repeated(&self) -> usize {
        self.n_repeated
    }

    fn by_user(&self) -> BTreeMap<&str, Vec<&Event>> {
        let mut users: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for event in self.events.values() {
            users.entry(event.user.as_str()).or_default().push(event);
        }
        users
    }

    /// How many events of each user there are.
    pub(crate) fn interactions(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_user().into_iter().map(|(user, events)| (user, events.len()))
    }

    /// Documents that are not what the log amounts to, each with what it must be and what it is.
    pub(crate) fn differences(&self) -> Vec<(String, Vec<String>, Vec<String>)> {
        let users = self.by_user().into_iter();
        let expected: Documents =
            users.map(|(user, events)| (format!("user_features:{{{user}}}"), document(events))).collect();
        let found = documents();
        let keys = expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key)));
        let fields = |all: &Documents, key| all.get(key).cloned().unwrap_or_default();
        let both = keys.map(|key| (key.clone(), fields(&expected, key), fields(&found, key)));
        both.filter(|(_, expected, found)| expected != found).collect()
    }
}

/// The fields of the document of a user with these events.
fn document(mut events: Vec<&Event>) -> Vec<String> {
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    let count = |action: &str| events.iter().filter(|event| event.action.to_string() == action).count();
    let counted = |n: usize| if n == 0 { String::new() } else { n.to_string() };
    let mut items: Vec<&str> = Vec::new();
    for item in events.iter().map(|event| event.item.as_str()) {
        if items.len() < LAST_ITEMS && !items.contains(&item) {
            items.push(item);
        }
    }
    vec![
        counted(events.len()),
        counted(count("click")),
        counted(count("view")),
        counted(count("purchase")),
        events.first().map(|event| event.at.millis().to_string()).unwrap_or_default(),
        serde_json::to_string(&items).expect("words can be written as JSON"),
    ]
}

/// All documents there are; none while there is no primary.
fn documents() -> Documents {
    let script = "local lines = {}
        for _, key in ipairs(redis.call('KEYS', 'user_features:*')) do
            local line = {key}
            for _, value in ipairs(redis.call('HMGET', key, unpack(ARGV))) do table.insert(line, value or '') end
            table.insert(lines, table.concat(line, '\\t'))
        end
        return lines";
    let command = [&["eval", script, "0"], &FIELDS[..]].concat();
    let told = primary().and_then(|primary| redis(&primary, &command)).unwrap_or_default();
    let parts = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    told.lines().filter(|line| !line.is_empty()).map(parts).map(|mut line| (line.remove(0), line)).collect()
}
