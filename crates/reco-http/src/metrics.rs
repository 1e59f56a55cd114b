//! `GET /metrics`: what Prometheus scrapes, as OpenMetrics text. docs/metrics.md names all of it.

mod quality;
mod scraped;

use crate::App;
use crate::error::ApiError;
use axum::extract::State;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use quality::Quality;
use reco_core::cache::Layer;
use reco_core::id::UserKey;
use reco_core::page::Page;
use reco_core::request::Surface;
use reco_core::snapshot::Snapshot;
use std::time::Duration;

/// Names of labels with their values.
type Labels<const N: usize> = [(&'static str, String); N];

/// Counters with some labels.
type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// Times by one label.
type Times = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// Seconds up to which times are counted together: from a page that was kept to a request that is given up.
const SECONDS: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02, 0.035, 0.05, 0.1, 0.5, 2.0, 10.0];

fn times() -> Histogram {
    Histogram::new(SECONDS)
}

/// What is counted as it happens.
#[derive(Debug)]
pub(crate) struct Meters {
    registry: Registry,
    requests: Counters<3>,
    request_times: Times,
    in_flight: Gauge,
    pages: Counters<3>,
    page_times: Times,
    faults: Counters<2>,
    short_pages: Counters<2>,
    events: Counters<1>,
    quality: Mutex<Quality>,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("reco");
        let (requests, request_times) = (Counters::default(), Times::new_with_constructor(times as _));
        let (pages, page_times) = (Counters::default(), Times::new_with_constructor(times as _));
        let (faults, short_pages, events) = (Counters::default(), Counters::default(), Counters::default());
        let (in_flight, quality) = (Gauge::default(), Quality::default());
        registry.register("http_requests", "Requests, by route, method and status", requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "From the request to its answer",
            request_times.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests that are being answered",
            Gauge::clone(&in_flight),
        );
        registry.register("pages", "Pages, by surface, rung and where they were found", pages.clone());
        registry.register("page_duration_seconds", "What making or finding a page took", page_times.clone());
        registry.register("page_faults", "Parts that failed while pages were made", faults.clone());
        registry.register(
            "short_pages",
            "Pages with fewer items than were asked for, or none",
            short_pages.clone(),
        );
        registry.register("events", "Events of requests, by what became of them", events.clone());
        quality.register(&mut registry);
        Self {
            registry,
            requests,
            request_times,
            in_flight,
            pages,
            page_times,
            faults,
            short_pages,
            events,
            quality: Mutex::new(quality),
        }
    }

    /// Notes that a request has come.
    pub(crate) fn begun(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight(&self.in_flight)
    }

    /// Notes an answer; `route` is the pattern that the path fits, if any does.
    pub(crate) fn answered(&self, route: Option<&str>, method: &str, status: u16, took: Duration) {
        let route = route.unwrap_or("none");
        let labels =
            [("route", route.to_owned()), ("method", method.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
        self.request_times.get_or_create(&[("route", route.to_owned())]).observe(took.as_secs_f64());
    }

    /// Notes a page that somebody gets, who asked for `count` items. `snapshot` is that which answered.
    pub(crate) fn page(
        &self,
        surface: &Surface,
        (user, count): (&UserKey, usize),
        page: &Page,
        snapshot: &Snapshot,
        took: Duration,
    ) {
        let surface = || ("surface", surface.name().to_owned());
        let found = page.found.unwrap_or(Layer::Made).to_string();
        self.pages.get_or_create(&[surface(), ("rung", page.rung.to_string()), ("found", found)]).inc();
        self.page_times.get_or_create(&[surface()]).observe(took.as_secs_f64());
        for fault in &page.faults {
            let labels = [("component", fault.component.to_string()), ("kind", fault.kind.to_string())];
            self.faults.get_or_create(&labels).inc();
        }
        if page.items.len() < count {
            let what = if page.items.is_empty() { "empty" } else { "short" };
            self.short_pages.get_or_create(&[surface(), ("what", what.to_owned())]).inc();
        }
        self.quality.lock().note(user, page, snapshot);
    }

    /// Notes what became of events.
    pub(crate) fn events(&self, outcome: &str, n_events: usize) {
        self.events.get_or_create(&[("outcome", outcome.to_owned())]).inc_by(n_events as u64);
    }
}

/// The name of a method; all that nobody should use have one together.
pub(crate) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// A request that is being answered.
#[must_use]
pub(crate) struct InFlight<'a>(&'a Gauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What was counted since the start, and how things stand now.
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let mut text = String::new();
    encode_registry(&mut text, &app.meters.registry)
        .and_then(|()| encode_registry(&mut text, &scraped::now(&app)))
        .and_then(|()| encode_eof(&mut text))
        .map_err(|cause| ApiError::internal(cause.to_string()))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
