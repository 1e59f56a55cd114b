//! How well new users are served, as a picture.

use super::plots::COLORS;
use crate::evaluate::ArrivalReport;
use crate::tune::PlotError;
use plotters::prelude::*;

/// Recall by items taken, with 95 % intervals as bars, as SVG.
///
/// # Errors
///
/// [`PlotError`], which takes a font that is not there.
pub fn plot_arrivals(report: &ArrivalReport) -> Result<String, PlotError> {
    let points = || report.curves.iter().flat_map(|curve| &curve.points);
    let right = points().map(|point| point.after).max().unwrap_or(0) as f64;
    let top = points().map(|point| point.recall_ci.1).fold(0.0, f64::max).max(1e-3) * 1.05;
    let label = |at: &f64| if *at > right + 0.5 { String::new() } else { format!("{at:.0}") };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (760, 380)).into_drawing_area();
        root.fill(&WHITE)?;
        // The legend stands to the right of where the lines end.
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(-0.3..right * 1.45 + 1.0, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc("items taken before")
            .y_desc(format!("recall@{}", report.k))
            .x_label_formatter(&label)
            .light_line_style(TRANSPARENT)
            .draw()?;
        let n_curves = report.curves.len() as f64;
        for (number, (curve, color)) in report.curves.iter().zip(COLORS.into_iter().cycle()).enumerate() {
            // Side by side, so that bars of equal figures can be told apart.
            let aside = (number as f64 - n_curves / 2.0) * 0.06;
            let at = |after: usize| after as f64 + aside;
            let line = curve.points.iter().map(|point| (at(point.after), point.recall));
            let drawn = chart.draw_series(LineSeries::new(line, color.stroke_width(2)).point_size(3))?;
            drawn.label(&curve.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
            let bars = curve.points.iter().map(|point| {
                let (low, high) = point.recall_ci;
                PathElement::new([(at(point.after), low), (at(point.after), high)], color.mix(0.5))
            });
            chart.draw_series(bars)?;
        }
        chart.configure_series_labels().position(SeriesLabelPosition::MiddleRight).draw()?;
        root.present()?;
    }
    Ok(svg)
}
