//! Exposures: who was served by which variant, at the moment of it.

use super::{Assignment, ExperimentConfig, Experiments, How, Ledger};
use crate::error::{Fault, Rung};
use crate::event::{Action, Details, Event, EventId};
use crate::id::{ItemKey, UserKey};
use crate::store::{EventSink, Keep, Outbox, OutboxCounts, Pace};
use crate::time::{Clock, Timestamp};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What somebody was served by a variant of an experiment.
///
/// In the log it is an event of the action [`Action::Exposure`] whose item is the experiment, so that it is kept, read and
/// handed on with what the user did next, in that order.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposure {
    /// The experiment.
    pub experiment: Arc<str>,
    /// Its variant.
    pub variant: Arc<str>,
    /// Whom the experiment divides: a user, or the key of a session.
    pub unit: UserKey,
    /// When.
    pub at: Timestamp,
    /// The answer, by its `request_id`.
    pub request: Option<Arc<str>>,
    /// The session it happened in, if it is known.
    pub session: Option<Arc<str>>,
    /// What the experiment divides users by, with the values of whoever asked.
    pub segments: BTreeMap<String, String>,
    /// What was served.
    pub served: Served,
}

/// The request that was answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// When.
    pub at: Timestamp,
    /// Its id, by which later events name the answer.
    pub request: Option<Arc<str>>,
    /// The session it was made in, if it is known.
    pub session: Option<Arc<str>>,
    /// What is known of whoever asked.
    pub attributes: Map<String, Value>,
}

impl Asked {
    /// Most bytes of a value that is noted; a longer one is cut.
    const LONGEST_VALUE: usize = 48;

    /// The values of what users are divided by. Lists and objects are none.
    fn segments(&self, names: &[String], surface: &str) -> BTreeMap<String, String> {
        let value = |name: &String| match self.attributes.get(name) {
            _ if name == ExperimentConfig::SURFACE => Some(surface.to_owned()),
            Some(Value::String(text)) => Some(text.clone()),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => Some(value.to_string()),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => None,
        };
        let cut = |mut text: String| {
            text.retain(|letter| !letter.is_control());
            text.truncate(text.floor_char_boundary(Self::LONGEST_VALUE));
            text
        };
        names.iter().filter_map(|name| Some((name.clone(), cut(value(name)?)))).collect()
    }
}

/// The answer that somebody was served.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Served {
    /// Where it was shown, by the name of the surface.
    pub surface: String,
    /// The items from place 1 on, at most [`MOST_ITEMS`](Self::MOST_ITEMS) and [`MOST_BYTES`](Self::MOST_BYTES) of them.
    pub items: Vec<ItemKey>,
    /// The version of the model.
    pub model: String,
    /// How long it took to make, in milliseconds.
    pub latency_ms: f64,
    /// How good an answer it was.
    pub rung: Rung,
}

impl Served {
    /// Items that are noted.
    pub const MOST_ITEMS: usize = 50;
    /// Bytes of their keys: with all else it has to fit into one event.
    pub const MOST_BYTES: usize = 2_048;

    /// With as many of the items as an event may hold.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let mut bytes = 0;
        let fits = |item: &&ItemKey| {
            bytes += item.as_str().len() + 3;
            bytes <= Self::MOST_BYTES
        };
        let n_items = self.items.iter().take(Self::MOST_ITEMS).take_while(fits).count();
        self.items.truncate(n_items);
        self
    }
}

/// What the context of an event says of an exposure.
#[derive(Serialize, Deserialize)]
struct Context {
    variant: Arc<str>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    segments: BTreeMap<String, String>,
    #[serde(flatten)]
    served: Served,
}

impl Exposure {
    /// The exposure to an assigned variant, with the values of these `segments`; none to one that an override chose.
    pub fn of(assigned: &Assignment, asked: &Asked, served: Served, segments: &[String]) -> Option<Self> {
        (assigned.how != How::Overridden).then(|| Self {
            experiment: Arc::clone(&assigned.experiment),
            variant: Arc::clone(&assigned.variant),
            unit: assigned.unit.clone(),
            at: asked.at,
            request: asked.request.clone(),
            session: asked.session.clone(),
            segments: asked.segments(segments, &served.surface),
            served: served.bounded(),
        })
    }

    /// As an event, with an id that all exposures of a unit in one `window` have in common: only the first of them counts,
    /// whichever server it came from.
    pub fn event(self, window: i64) -> Event {
        let Self { experiment, variant, unit, at, request, session, segments, served } = self;
        let id = EventId::named(&["exposure", &experiment, unit.as_str(), &window.to_string()]);
        let context = serde_json::to_value(Context { variant, segments, served });
        let context = match context {
            Ok(Value::Object(context)) => context,
            Ok(_) | Err(_) => Map::new(),
        };
        Event {
            id,
            user: unit,
            item: ItemKey::from(&*experiment),
            action: Action::Exposure,
            value: None,
            at,
            details: Some(Box::new(Details { session, request, context, ..Details::default() })),
        }
    }

    /// What an event says; `None` of one that is no exposure, or says too little of it.
    pub fn read(event: &Event) -> Option<Self> {
        let details = event.details.as_deref().filter(|_| event.action == Action::Exposure)?;
        let context: Context = serde_json::from_value(Value::Object(details.context.clone())).ok()?;
        Some(Self {
            experiment: event.item.as_str().into(),
            variant: context.variant,
            unit: event.user.clone(),
            at: event.at,
            request: details.request.clone(),
            session: details.session.clone(),
            segments: context.segments,
            served: context.served,
        })
    }
}

/// Takes exposures to the log without keeping a request waiting. Cheap to clone.
///
/// What cannot be kept at once waits for the log to come back, up to [`MOST_WAITING`](Self::MOST_WAITING) exposures; those
/// that come on top are lost, and [counted](Self::counts).
#[derive(Clone, Debug)]
pub struct Exposures(Outbox<Event>);

/// Where they go.
struct ToLog(Arc<dyn EventSink>);

#[async_trait]
impl Keep<Event> for ToLog {
    async fn keep(&self, exposures: &[Event]) -> Result<(), Fault> {
        self.0.append(exposures).await.map(drop)
    }
}

impl Exposures {
    /// Exposures that may wait for the log.
    pub const MOST_WAITING: usize = 65_536;
    /// Those that are taken to it at a time.
    const BATCH: usize = 256;

    /// A way to the log, and the work of taking them there, which ends once all clones are dropped and nothing waits.
    pub fn new(log: Arc<dyn EventSink>, clock: Arc<dyn Clock>) -> (Self, impl Future<Output = ()> + Send) {
        Self::with_room(log, clock, Self::MOST_WAITING)
    }

    fn with_room(
        log: Arc<dyn EventSink>,
        clock: Arc<dyn Clock>,
        room: usize,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let pace = Pace { room, batch: Self::BATCH, linger: Duration::ZERO };
        let (outbox, work) = Outbox::new(clock, pace, ToLog(log));
        (Self(outbox), work)
    }

    /// Sends what somebody was just served on its way, for each experiment once per window, and lets the ledger know at once.
    pub fn expose(
        &self,
        experiments: &Experiments,
        ledger: &Ledger,
        assigned: &[Assignment],
        asked: &Asked,
        served: impl Fn() -> Served,
    ) {
        for of in assigned {
            let Some(window) = experiments.window(&of.experiment, asked.at) else { continue };
            let is_known = ledger
                .latest(&of.experiment, &of.unit)
                .is_some_and(|latest| experiments.window(&of.experiment, latest) == Some(window));
            if is_known {
                continue;
            }
            let segments = experiments.config(&of.experiment).map_or(&[][..], |config| &config.segments);
            let Some(exposure) = Exposure::of(of, asked, served(), segments) else { continue };
            // One that is lost is sent again with the next answer.
            if self.send(exposure.clone().event(window)) {
                ledger.note(&exposure);
            }
        }
    }

    /// Sends an exposure on its way; false, and counted, if there is no room for it.
    pub fn send(&self, event: Event) -> bool {
        self.0.send(event)
    }

    /// Resolves once all that was sent so far is in the log; never, while the log does not answer.
    pub async fn flush(&self) {
        self.0.flush().await;
    }

    /// What became of them so far.
    pub fn counts(&self) -> OutboxCounts {
        self.0.counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FaultKind;
    use crate::experiment::Arm;
    use crate::store::{Appended, FIRST_PAUSE, MemoryLog};
    use crate::time::ManualClock;
    use parking_lot::Mutex;
    use proptest::prelude::*;

    fn exposure(unit: &str) -> Exposure {
        Exposure {
            experiment: "exp_123".into(),
            variant: "A".into(),
            unit: unit.into(),
            at: Timestamp::from_secs(1_700_000_000),
            request: Some("r1".into()),
            session: Some("s1".into()),
            segments: [("device".to_owned(), "phone".to_owned())].into(),
            served: Served {
                surface: "home".to_owned(),
                items: vec!["tea".into(), "jam".into()],
                model: "v7".to_owned(),
                latency_ms: 3.25,
                rung: Rung::Full,
            },
        }
    }

    #[test]
    fn an_exposure_is_an_event_and_an_event_an_exposure() {
        let event = exposure("ann").event(3);
        assert_eq!(event.problems(event.at), []);
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(Exposure::read(&serde_json::from_str(&json).unwrap()), Some(exposure("ann")));
        let click = Event { action: Action::Click, ..event };
        assert_eq!(Exposure::read(&click), None);
    }

    #[test]
    fn exposures_of_one_window_have_one_id() {
        let id = |unit, window| exposure(unit).event(window).id;
        assert_eq!(id("ann", 1), id("ann", 1));
        assert!(id("ann", 1) != id("ann", 2) && id("ann", 1) != id("bob", 1));
    }

    #[test]
    fn who_only_looks_is_not_exposed() {
        let assigned = |how| Assignment {
            experiment: "a".into(),
            variant: "x".into(),
            arm: Arm(0),
            unit: "ann".into(),
            how,
        };
        let of = |how| Exposure::of(&assigned(how), &Asked::default(), Served::default(), &[]);
        assert!(of(How::Hashed).is_some() && of(How::Kept).is_some() && of(How::Overridden).is_none());
    }

    #[test]
    fn values_of_the_segments_are_noted_and_no_others() {
        let attributes = serde_json::json!({"country": "AT", "age": 33, "tags": ["a"], "name": "Ann"});
        let asked = Asked { attributes: attributes.as_object().unwrap().clone(), ..Asked::default() };
        let names = ["surface", "country", "age", "tags", "device"].map(str::to_owned);
        let segments = asked.segments(&names, "home");
        let segments: Vec<(&str, &str)> =
            segments.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(segments, [("age", "33"), ("country", "AT"), ("surface", "home")]);
    }

    proptest! {
        #[test]
        fn any_page_fits_into_an_event(
            lengths in prop::collection::vec(1..=256usize, 0..200),
            values in prop::collection::vec("[\"\\\\ü\u{1}]{0,200}", 0..=8),
        ) {
            let items = lengths.iter().map(|length| ItemKey::from("ü".repeat(length / 2 + 1))).collect();
            let served = Served { items, ..Served::default() }.bounded();
            let value = |(n, value)| (format!("\"{}{n}", "\\".repeat(30)), Value::String(value));
            let attributes: Map<String, Value> = values.into_iter().enumerate().map(value).collect();
            let names: Vec<String> = attributes.keys().cloned().collect();
            let segments = Asked { attributes, ..Asked::default() }.segments(&names, "home");
            let event = Exposure { segments, served, ..exposure(&"u".repeat(256)) }.event(1);
            prop_assert_eq!(event.problems(event.at), []);
        }
    }

    /// A log that is down until it is mended.
    #[derive(Debug)]
    struct Down(Mutex<bool>, MemoryLog);

    #[async_trait]
    impl EventSink for Down {
        fn name(&self) -> &'static str {
            "down"
        }
        async fn append(&self, events: &[Event]) -> Result<Appended, Fault> {
            if *self.0.lock() {
                return Err(Fault::new("down", FaultKind::Unavailable));
            }
            self.1.append(events).await
        }
    }

    #[tokio::test]
    async fn what_waits_for_the_log_is_kept_and_what_has_no_room_is_counted() {
        let log = Arc::new(Down(Mutex::new(true), MemoryLog::default()));
        let clock = ManualClock::starting_at(Timestamp::from_secs(1));
        let (exposures, work) = Exposures::with_room(Arc::clone(&log) as _, Arc::new(clock.clone()), 2);
        let sent = ["ann", "bob", "cem"].map(|unit| exposures.send(exposure(unit).event(1)));
        assert_eq!(sent, [true, true, false]);
        assert_eq!(exposures.counts(), OutboxCounts { kept: 0, waiting: 2, lost: 1 });
        let working = tokio::spawn(work);
        // It has failed once, and waits.
        tokio::task::yield_now().await;
        *log.0.lock() = false;
        let ticking = async {
            loop {
                clock.advance(FIRST_PAUSE);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = exposures.flush() => {}
            () = ticking => {}
        }
        assert_eq!(exposures.counts(), OutboxCounts { kept: 2, waiting: 0, lost: 1 });
        drop(exposures);
        working.await.unwrap();
    }
}
