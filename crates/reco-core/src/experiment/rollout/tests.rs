//! Days of a shop that tries new versions, on a clock that is set forward.

use super::*;
use crate::error::Rung;
use crate::event::{Action, Event, EventId};
use crate::experiment::{
    Answered, Arm, Decision, Experiments, Exposure, MetricConfig, Metrics, NoMemory, Served, Subject, Traffic,
};
use crate::registry::{Change, MemoryRegistry, ModelRegistry, Rollout};
use crate::request::Surface;
use crate::store::{Delivery, Place};
use crate::time::{Clock, ManualClock, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const USERS: u32 = 4_000;
const BEGIN: Timestamp = Timestamp::from_secs(1_790_000_000);

/// How a version behaves.
#[derive(Clone, Copy)]
struct Model {
    errors: f64,
    fallbacks: f64,
    latency_ms: f64,
    score: f64,
    click: f64,
}

const SOUND: Model = Model { errors: 0.001, fallbacks: 0.01, latency_ms: 8.0, score: 0.5, click: 0.1 };

/// A shop with a champion, v1, and a version on trial, v2.
struct Shop {
    registry: Arc<MemoryRegistry>,
    clock: Arc<ManualClock>,
    traffic: Traffic,
    metrics: Metrics,
    controller: Controller,
    rng: Pcg64Mcg,
    models: [Model; 2],
    n_events: u64,
    exposed: BTreeSet<(String, u32)>,
}

impl Shop {
    async fn trying(tried: Model) -> Self {
        let registry = Arc::new(MemoryRegistry::default());
        for artifact in ["one", "two"] {
            registry.publish("shop", artifact.into()).await.unwrap();
        }
        let rollout = Rollout { stable: Some(1), canary: Some((2, 100)) };
        let change = Change { at: BEGIN, by: "ann".to_owned(), why: "tries v2".to_owned(), rollout };
        registry.set_rollout("shop", &Rollout::default(), change).await.unwrap();
        let (clock, traffic) = (Arc::new(ManualClock::starting_at(BEGIN)), Traffic::default());
        let mut shop = Self {
            controller: controller(&registry, &clock, &traffic),
            metrics: Metrics::in_memory(&MetricConfig::usual()),
            rng: Pcg64Mcg::seed_from_u64(7),
            models: [SOUND, tried],
            n_events: 0,
            exposed: BTreeSet::new(),
            registry,
            clock,
            traffic,
        };
        let noticed = shop.controller.look(|_| None).await;
        assert!(matches!(noticed, Ok(Outcome::Waits { .. })), "{noticed:?}");
        shop
    }

    async fn rollout(&self) -> Rollout {
        self.registry.rollout("shop").await.unwrap()
    }

    async fn changes(&self) -> Vec<Change> {
        self.registry.changes("shop").await.unwrap()
    }

    /// Users come for a while.
    async fn serve(&mut self, answers: u32) {
        let Some(trial) = Trial::of(&self.rollout().await) else { return };
        let (name, config) = (trial.experiment(), trial.config(Some("ctr")));
        let experiments = Experiments::new(BTreeMap::from([(name, config)]), BTreeMap::new()).unwrap();
        for _ in 0..answers {
            let number = self.rng.random_range(0..USERS);
            let (user, attributes) = (format!("user{number}").into(), serde_json::Map::new());
            let subject = Subject { user: &user, session: None, attributes: &attributes };
            let assigned = experiments.assign(subject, &Surface::Home, &NoMemory);
            let model = self.models[usize::from(assigned[0].arm.0)];
            let noise = 0.5 + self.rng.random::<f64>();
            let answered = Answered {
                failed: self.rng.random_bool(model.errors),
                degraded: self.rng.random_bool(model.fallbacks),
                took: Duration::from_secs_f64(model.latency_ms * noise / 1e3),
                score: Some((model.score * noise) as f32),
            };
            self.traffic.note_all(&assigned, answered);
            if self.exposed.insert((assigned[0].experiment.to_string(), number)) {
                let exposure = Exposure {
                    experiment: Arc::clone(&assigned[0].experiment),
                    variant: Arc::clone(&assigned[0].variant),
                    unit: user.clone(),
                    at: self.clock.wall(),
                    request: None,
                    session: None,
                    segments: BTreeMap::new(),
                    served: Served { latency_ms: model.latency_ms, rung: Rung::Full, ..Served::default() },
                };
                self.count(exposure.event(0));
            }
            let event = |action| Event {
                id: EventId(1),
                user: user.clone(),
                item: "tea".into(),
                action,
                value: None,
                at: self.clock.wall(),
                details: None,
            };
            let (seen, clicked) = (event(Action::Impression), event(Action::Click));
            self.count(seen);
            if self.rng.random_bool(model.click) {
                self.count(clicked);
            }
        }
    }

    fn count(&mut self, event: Event) {
        let place = Place { partition: 0, offset: self.n_events };
        self.n_events += 1;
        self.metrics.count(&[Delivery { place, event }]);
    }

    async fn look(&mut self) -> Outcome {
        let (metrics, now) = (&self.metrics, self.clock.wall());
        let decide = |trial: &Trial| {
            let config = trial.config(Some("ctr"));
            Some(Decision::new(&metrics.report(&trial.experiment(), &config), &config.decide, now))
        };
        self.controller.look(decide).await.unwrap()
    }

    /// Lets time pass, look by look, until the rollout is another or a number of hours is over; returns the hours it took.
    async fn run(&mut self, minutes_between: u64, answers: u32, hours: f64) -> f64 {
        let begun = self.clock.wall();
        loop {
            self.clock.advance(Duration::from_mins(minutes_between));
            self.serve(answers).await;
            let took = self.clock.wall().days_since(begun) * 24.0;
            if matches!(self.look().await, Outcome::Changed(_)) || took >= hours {
                return took;
            }
        }
    }
}

fn controller(registry: &Arc<MemoryRegistry>, clock: &Arc<ManualClock>, traffic: &Traffic) -> Controller {
    let config = RolloutConfig::default();
    Controller::new(
        Arc::clone(registry) as _,
        "shop",
        "server-1",
        config,
        Arc::clone(clock) as _,
        traffic.clone(),
    )
}

fn at(per_mille: u16) -> Rollout {
    Rollout { stable: Some(1), canary: Some((2, per_mille)) }
}

const TAKEN_BACK: Rollout = Rollout { stable: Some(1), canary: None };

#[tokio::test]
async fn a_good_version_comes_to_serve_everybody_step_by_step() {
    let mut shop = Shop::trying(Model { click: 0.11, ..SOUND }).await;
    for (next, hours) in [(at(250), 1.0), (at(500), 6.0), (Rollout { stable: Some(2), canary: None }, 24.0)] {
        let took = shop.run(10, 600, 100.0).await;
        assert_eq!(shop.rollout().await, next);
        assert!((hours..hours + 0.5).contains(&took), "{next:?} after {took} hours");
    }
    let changes = shop.changes().await;
    assert_eq!(changes.len(), 4, "every step is on record: {changes:?}");
    assert!(
        changes.iter().skip(1).all(|change| change.by == "server-1" && change.why.contains("proved sound"))
    );
    assert_eq!(shop.look().await, Outcome::Nothing);
}

#[tokio::test]
async fn a_version_that_users_click_less_is_taken_back() {
    let mut shop = Shop::trying(Model { click: 0.05, ..SOUND }).await;
    while shop.rollout().await.canary.is_some() {
        assert!(shop.run(10, 600, 40.0).await < 40.0, "some step ends it");
    }
    assert_eq!(shop.rollout().await, TAKEN_BACK);
    let why = shop.changes().await.pop().unwrap().why;
    assert!(why.contains("canary is worse by ctr"), "{why}");
}

#[tokio::test]
async fn what_is_broken_is_gone_within_a_minute() {
    let broken = [
        (Model { errors: 0.5, ..SOUND }, "are errors"),
        (Model { fallbacks: 0.6, ..SOUND }, "are not the best possible"),
        (Model { latency_ms: 20.0, ..SOUND }, "take longer than"),
        (Model { score: 0.0, ..SOUND }, "have moved by"),
    ];
    for (model, reason) in broken {
        let mut shop = Shop::trying(model).await;
        for _ in 0..3 {
            shop.clock.advance(Duration::from_secs_f64(RolloutConfig::default().look_secs));
            // Twenty pages a second, two of them by the version on trial.
            shop.serve(400).await;
            shop.look().await;
        }
        assert_eq!(shop.rollout().await, TAKEN_BACK, "{reason}");
        let why = shop.changes().await.pop().unwrap().why;
        assert!(why.contains(reason), "{why}");
    }
}

#[tokio::test]
async fn what_breaks_later_is_noticed_however_much_was_well_before() {
    let mut shop = Shop::trying(SOUND).await;
    shop.run(10, 600, 5.0).await;
    assert_eq!(shop.rollout().await, at(250));
    shop.run(10, 6_000, 3.0).await;
    shop.models[1].errors = 0.1;
    assert!(shop.run(1, 600, 0.2).await <= 0.1, "at most a few looks");
    assert_eq!(shop.rollout().await, TAKEN_BACK);
}

#[tokio::test]
async fn who_is_started_anew_goes_on_where_the_last_one_ended() {
    let mut shop = Shop::trying(SOUND).await;
    shop.run(10, 600, 0.6).await;
    shop.traffic = Traffic::default();
    shop.controller = controller(&shop.registry, &shop.clock, &shop.traffic);
    let took = shop.run(10, 6_000, 5.0).await;
    assert_eq!(shop.rollout().await, at(250));
    assert!(took < 0.6, "the hour counts from when the version came on trial: {took}");
}

#[tokio::test]
async fn nothing_moves_on_that_nobody_has_seen() {
    let mut shop = Shop::trying(SOUND).await;
    shop.run(30, 0, 50.0).await;
    assert_eq!(shop.rollout().await, at(100));
    let Outcome::Waits { why, .. } = shop.look().await else { panic!("it waits") };
    assert!(why.contains("must give 500"), "{why}");
}

#[tokio::test]
async fn of_two_controllers_one_changes_it() {
    for broken in [false, true] {
        let model = if broken { Model { errors: 1.0, ..SOUND } } else { SOUND };
        let mut shop = Shop::trying(model).await;
        let mut controllers: Vec<Controller> =
            (0..8).map(|_| controller(&shop.registry, &shop.clock, &shop.traffic.clone())).collect();
        for controller in &mut controllers {
            assert!(matches!(controller.look(|_| None).await, Ok(Outcome::Waits { .. })));
        }
        shop.serve(6_000).await;
        shop.clock.advance(Duration::from_hours(2));
        let mut looks = Vec::new();
        for controller in &mut controllers {
            looks.push(controller.look(|_| None));
        }
        let outcomes = futures_util::future::join_all(looks).await;
        let changed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Outcome::Changed(_)))).count();
        assert_eq!(changed, 1, "{outcomes:?}");
        assert_eq!(shop.rollout().await, if broken { TAKEN_BACK } else { at(250) });
        assert_eq!(shop.changes().await.len(), 2);
    }
}

#[tokio::test]
async fn what_a_person_did_meanwhile_stands() {
    let mut shop = Shop::trying(SOUND).await;
    let trial = Trial::of(&shop.rollout().await).unwrap();
    let change = Change { at: BEGIN, by: "ann".to_owned(), why: "no more".to_owned(), rollout: TAKEN_BACK };
    shop.registry.set_rollout("shop", &at(100), change).await.unwrap();
    assert_eq!(shop.look().await, Outcome::Nothing);
    let refused = shop.controller.refuse(&trial, "it cannot be loaded").await.unwrap();
    assert_eq!(refused, Outcome::Overtaken);
    assert_eq!(shop.changes().await.len(), 2);
}

#[tokio::test]
async fn a_second_trial_is_not_judged_by_the_first() {
    let mut shop = Shop::trying(Model { errors: 0.5, ..SOUND }).await;
    // Another server notices nothing but that the trial is over, and counts on.
    let mut other = controller(&shop.registry, &shop.clock, &shop.traffic.clone());
    shop.serve(400).await;
    let counted = shop.traffic.of("rollout-v2-100");
    assert!(matches!(shop.look().await, Outcome::Changed(_)));
    for (arm, tally) in counted.into_iter().enumerate() {
        let answered = Answered { failed: true, degraded: false, took: Duration::ZERO, score: None };
        (0..tally.errors).for_each(|_| shop.traffic.note("rollout-v2-100", Arm(arm as u8), answered));
    }
    let change =
        Change { at: shop.clock.wall(), by: "ann".to_owned(), why: "again".to_owned(), rollout: at(100) };
    shop.registry.set_rollout("shop", &TAKEN_BACK, change).await.unwrap();
    assert!(matches!(other.look(|_| None).await, Ok(Outcome::Waits { .. })));
}

#[test]
fn a_larger_share_lets_nobody_go() {
    let canary = |per_mille| {
        let trial = Trial { version: 2, per_mille };
        let config = trial.config(None);
        let experiments =
            Experiments::new(BTreeMap::from([(trial.experiment(), config)]), BTreeMap::new()).unwrap();
        let is_in = |number: &u32| {
            let (user, attributes) = (format!("user{number}").into(), serde_json::Map::new());
            let subject = Subject { user: &user, session: None, attributes: &attributes };
            experiments.assign(subject, &Surface::Home, &NoMemory)[0].arm == Arm(1)
        };
        (0..20_000).filter(is_in).collect::<BTreeSet<u32>>()
    };
    let shares = [0, 1, 100, 250, 500, 999, 1_000].map(canary);
    assert!(shares.windows(2).all(|pair| pair[0].is_subset(&pair[1])));
    assert!(shares[0].is_empty() && shares[6].len() == 20_000);
    assert!((1_800..2_200).contains(&shares[2].len()), "about a tenth: {}", shares[2].len());
}

#[test]
fn settings_that_make_no_sense_are_all_named() {
    let config: RolloutConfig = serde_json::from_value(serde_json::json!({
        "steps": [{"percent": 20, "hours": 1}, {"percent": 10, "hours": -1}],
        "look_secs": 0, "least_answers": 0,
        "guards": {"errors": 2, "latency": 0.5, "drift": 0, "fallbacks": false},
    }))
    .unwrap();
    let problems = config.problems();
    for field in [
        "steps[1].percent",
        "steps[1].hours",
        "look_secs",
        "least_answers",
        "guards.errors",
        "guards.latency",
        "guards.drift",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(field)), "{field}: {problems:?}");
    }
    assert_eq!(problems.len(), 7, "{problems:?}");
}
