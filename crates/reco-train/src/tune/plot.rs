//! A search in pictures: how the best grew, and what each setting had to do with it.

use super::schedule::{Finished, Schedule};
use super::space::{Domain, Parameter};
use plotters::prelude::*;

/// Why a plot could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct PlotError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

const DOT: RGBColor = RGBColor(125, 148, 140);
const BEST: RGBColor = RGBColor(11, 107, 83);
const CONFIGURED: RGBColor = RGBColor(200, 90, 30);

/// The metric by task, with the best so far among those judged on as many users, as SVG.
///
/// # Errors
///
/// [`PlotError`], which takes a font that is not there or figures beyond all bounds.
pub fn plot_trials(schedule: &Schedule, finished: &[Finished], metric: &str) -> Result<String, PlotError> {
    let judged: Vec<(&Finished, f64)> =
        finished.iter().filter_map(|done| Some((done, done.value()?))).collect();
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (860, 320)).into_drawing_area();
        root.fill(&WHITE)?;
        let (low, high) = bounds(judged.iter().map(|(_, value)| *value));
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(38)
            .y_label_area_size(64)
            .build_cartesian_2d(-0.5..schedule.len() as f64 - 0.5, low..high)?;
        let whole = |place: &f64| format!("{place:.0}");
        chart
            .configure_mesh()
            .x_desc("judgement")
            .y_desc(metric)
            .x_label_formatter(&whole)
            .light_line_style(TRANSPARENT)
            .draw()?;
        let at = |done: &Finished| done.task.task as f64;
        chart.draw_series(judged.iter().map(|(done, value)| dot((at(done), *value), done.task.trial)))?;
        for round in schedule.shares() {
            let mut best: Option<f64> = None;
            let mut steps = Vec::new();
            for (done, value) in judged.iter().filter(|(done, _)| is_same(done.task.share, round)) {
                let before = best.unwrap_or(*value);
                let now = if schedule.minimize { before.min(*value) } else { before.max(*value) };
                steps.extend([(at(done), before), (at(done), now)]);
                best = Some(now);
            }
            chart.draw_series(LineSeries::new(steps, BEST.stroke_width(2)))?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// The metric by the value of every setting, one small chart each, as SVG; of successive halving the last judgement of
/// every trial.
///
/// # Errors
///
/// As [`plot_trials`].
pub fn plot_settings(schedule: &Schedule, finished: &[Finished], metric: &str) -> Result<String, PlotError> {
    const COLUMNS: usize = 3;
    let parameters = schedule.space.parameters();
    let rows = parameters.len().div_ceil(COLUMNS).max(1);
    // Figures on few users and on many are not to be compared.
    let all = |done: &&Finished| is_same(done.task.share, 1.0) && done.value().is_some();
    let judged: Vec<&Finished> = finished.iter().filter(all).collect();
    let mut svg = String::new();
    {
        let size = (290 * COLUMNS as u32, 200 * rows as u32);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (low, high) = bounds(judged.iter().filter_map(|done| done.value()));
        for (area, parameter) in root.split_evenly((rows, COLUMNS)).iter().zip(parameters) {
            draw_setting(area, parameter, &judged, metric, low..high)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn draw_setting(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    parameter: &Parameter,
    judged: &[&Finished],
    metric: &str,
    values: std::ops::Range<f64>,
) -> Result<(), PlotError> {
    let Parameter { path, domain } = parameter;
    let axis = Axis::new(domain);
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .caption(path, ("sans-serif", 13))
        .x_label_area_size(24)
        .y_label_area_size(62)
        .build_cartesian_2d(axis.from..axis.to, values)?;
    let label = |at: &f64| axis.label(*at);
    chart
        .configure_mesh()
        .x_labels(axis.n_labels)
        .x_label_formatter(&label)
        .y_labels(4)
        .y_label_formatter(&|value| format!("{value:.3}"))
        .light_line_style(TRANSPARENT)
        .y_desc(metric)
        .draw()?;
    let point = |done: &&Finished| {
        let place = domain.place(done.task.settings.get(path)?)?;
        Some(dot((axis.at(place), done.value()?), done.task.trial))
    };
    chart.draw_series(judged.iter().filter_map(point))?;
    Ok(())
}

/// Where values stand: ranges from 0 to 1, choices at whole numbers, which are where labels can be.
struct Axis<'a> {
    domain: &'a Domain,
    from: f64,
    to: f64,
    n_labels: usize,
}

impl<'a> Axis<'a> {
    fn new(domain: &'a Domain) -> Self {
        match domain {
            Domain::Choices(choices) => {
                Self { domain, from: -0.5, to: choices.len() as f64 - 0.5, n_labels: choices.len() }
            }
            _ => Self { domain, from: 0.0, to: 1.0, n_labels: 5 },
        }
    }

    /// From a place between 0 and 1.
    fn at(&self, place: f64) -> f64 {
        self.from + place * (self.to - self.from)
    }

    fn label(&self, at: f64) -> String {
        let place = ((at - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        let value = self.domain.at(place);
        let is_choice = matches!(self.domain, Domain::Choices(_));
        if is_choice && (at - at.round()).abs() > 1e-6 {
            return String::new();
        }
        value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
    }
}

/// A trial; that of the configuration as it stands is told apart.
fn dot(at: (f64, f64), trial: usize) -> Circle<(f64, f64), i32> {
    if trial == 0 { Circle::new(at, 5, CONFIGURED.filled()) } else { Circle::new(at, 3, DOT.filled()) }
}

/// The shares of one round come from one computation.
fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// From where to where an axis goes.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let margin = ((high - low) * 0.08).max(high.abs() * 1e-3).max(1e-6);
    (low - margin, high + margin)
}
