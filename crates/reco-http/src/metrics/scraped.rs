//! How things stand at the moment of a scrape, as those who know it tell.

use super::{Counters, Labels};
use crate::App;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use reco_core::cache::{CacheCounts, LayerCounts};
use reco_core::store::OutboxCounts;
use std::sync::atomic::AtomicU64;

/// Values with some labels.
type Gauges<const N: usize> = Family<Labels<N>, Gauge<f64, AtomicU64>>;

/// All of it.
pub(super) fn now(app: &App) -> Registry {
    let mut registry = Registry::with_prefix("reco");
    snapshot(app, &mut registry);
    caches(app, &mut registry);
    consumers(app, &mut registry);
    outboxes(app, &mut registry);
    experiments(app, &mut registry);
    new_items(app, &mut registry);
    registry
}

fn snapshot(app: &App, registry: &mut Registry) {
    let snapshot = app.recommender.snapshot();
    let version = || [("version", snapshot.version.to_string())];
    let (info, of, age) =
        (Gauges::<1>::default(), Gauges::<1>::default(), Gauge::<f64, AtomicU64>::default());
    info.get_or_create(&version()).set(1.0);
    for (what, n) in [("items", snapshot.catalog.len()), ("users", snapshot.users.len())] {
        of.get_or_create(&[("what", what.to_owned())]).set(n as f64);
    }
    let millis = app.recommender.clock().wall().millis().saturating_sub(snapshot.data_until.millis());
    age.set(millis as f64 / 1e3);
    registry.register("snapshot_info", "The version of the snapshot in use", info);
    registry.register("snapshot_size", "How many items and users it has", of);
    registry.register("snapshot_age_seconds", "How old the latest event is that it was trained on", age);
}

fn caches(app: &App, registry: &mut Registry) {
    let (asked, made) = (Counters::<3>::default(), Counters::<2>::default());
    for (name, LayerCounts { near, far, made: n_made, joined, stale, failed, far_failed }) in
        app.recommender.caches()
    {
        let of = |layer: &str, outcome: &str| {
            [("cache", name.to_owned()), ("layer", layer.to_owned()), ("outcome", outcome.to_owned())]
        };
        let layers = [("near", Some(near)), ("far", far)];
        for (layer, counts) in layers.into_iter().filter_map(|(layer, counts)| Some((layer, counts?))) {
            let CacheCounts { hits, misses } = counts;
            asked.get_or_create(&of(layer, "hit")).inc_by(hits);
            asked.get_or_create(&of(layer, "miss")).inc_by(misses);
        }
        asked.get_or_create(&of("far", "failed")).inc_by(far_failed);
        for (how, n) in [("made", n_made), ("joined", joined), ("stale", stale), ("failed", failed)] {
            made.get_or_create(&[("cache", name.to_owned()), ("how", how.to_owned())]).inc_by(n);
        }
    }
    registry.register("cache_requests", "Values asked for, by cache, layer and outcome", asked);
    registry.register("cache_values", "How values came about that no layer had", made);
}

fn consumers(app: &App, registry: &mut Registry) {
    let (events, lag, failures) = (Counters::<2>::default(), Gauges::<1>::default(), Gauges::<1>::default());
    for (name, progress) in app.consumers.iter() {
        let (stage, of) = (progress.stage(), || ("consumer", name.to_string()));
        for (outcome, n) in [("taken", stage.taken), ("passed_over", stage.passed_over)] {
            events.get_or_create(&[of(), ("outcome", outcome.to_owned())]).inc_by(n);
        }
        failures.get_or_create(&[of()]).set(f64::from(stage.failures));
        if let Some(behind) = stage.behind {
            lag.get_or_create(&[of()]).set(behind as f64);
        }
    }
    registry.register("consumer_events", "Events of the log, by consumer and outcome", events);
    registry.register("consumer_lag_events", "Events that a consumer has not taken in yet", lag);
    registry.register("consumer_failures", "Failures of a consumer since its last success", failures);
}

fn outboxes(app: &App, registry: &mut Registry) {
    let (items, waiting) = (Counters::<2>::default(), Gauges::<1>::default());
    let exposures = ("exposures", app.trials.counts());
    let pages = ("pages", app.pages.as_ref().map(reco_core::pipeline::PageLog::counts));
    for (name, counts) in [exposures, pages] {
        let Some(OutboxCounts { kept, waiting: n_waiting, lost }) = counts else { continue };
        for (outcome, n) in [("kept", kept), ("lost", lost)] {
            items.get_or_create(&[("outbox", name.to_owned()), ("outcome", outcome.to_owned())]).inc_by(n);
        }
        waiting.get_or_create(&[("outbox", name.to_owned())]).set(n_waiting as f64);
    }
    registry.register("outbox_items", "What was noted beside answers, by what became of it", items);
    registry.register("outbox_waiting", "What waits to be kept", waiting);
}

fn experiments(app: &App, registry: &mut Registry) {
    let answers = Counters::<3>::default();
    for (experiment, variant, tally) in app.trials.tallies() {
        let of = |outcome: &str| {
            [
                ("experiment", experiment.to_string()),
                ("variant", variant.clone()),
                ("outcome", outcome.to_owned()),
            ]
        };
        let fine = tally.answers.saturating_sub(tally.errors + tally.fallbacks);
        for (outcome, n) in [("full", fine), ("fallback", tally.fallbacks), ("error", tally.errors)] {
            answers.get_or_create(&of(outcome)).inc_by(n);
        }
    }
    registry.register("experiment_answers", "Answers by experiment, variant and outcome", answers);
}

fn new_items(app: &App, registry: &mut Registry) {
    let items = Gauges::<1>::default();
    for launch in app.recommender.launches() {
        items.get_or_create(&[("stage", launch.stage.to_string())]).inc();
    }
    registry.register("new_items", "Items that are new, by how they stand", items);
}
