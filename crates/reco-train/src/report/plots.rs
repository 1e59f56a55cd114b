//! Plots as SVG that follows the page's colours and tells its content to those who cannot see it.

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::error::Error;

/// What the style sheet replaces by the colour of text, and of faint lines.
const INK: RGBColor = RGBColor(0x10, 0x11, 0x12);
const GRID: RGBColor = RGBColor(0xd0, 0xd1, 0xd2);

/// Told apart by most who do not see all colours, on white and on black (after Okabe & Ito, 2008).
pub(super) const COLORS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];

const SIZE: (u32, u32) = (700, 360);

/// A line with what it is called; `low` and `high` of each point where it has an interval.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) band: Vec<(f64, f64)>,
}

/// Names of a plot and of its axes.
pub(super) struct Names<'a> {
    /// What is to be seen, in a sentence.
    pub(super) caption: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
}

/// Lines over one another. A dashed diagonal stands beside where `with_diagonal`.
pub(super) fn lines(names: &Names<'_>, lines: &[Line], with_diagonal: bool) -> Markup {
    let all = || lines.iter().flat_map(|line| &line.points);
    let heights = || {
        let points = lines.iter().flat_map(|line| &line.points).map(|point| point.1);
        points.chain(lines.iter().flat_map(|line| &line.band).flat_map(|band| [band.0, band.1]))
    };
    let right = all().map(|point| point.0).fold(0.0, f64::max);
    let left = all().map(|point| point.0).fold(right, f64::min);
    let highest = heights().fold(0.0, f64::max).max(if with_diagonal { right } else { 0.0 });
    let lowest = heights().fold(0.0, f64::min);
    let bottom = if lowest < 0.0 { lowest * 1.08 } else { 0.0 };
    // What is all below 0 ends there.
    let top = if highest <= 0.0 && bottom < 0.0 { -0.08 * bottom } else { padded(highest) };
    let (left, right) = if with_diagonal { (0.0, padded(right)) } else { (left, right.max(left + 1e-9)) };
    // The legend stands to the right of where the lines end.
    let end = if lines.len() > 1 { right + 0.3 * (right - left) } else { right };
    drawn(names, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(60)
            .build_cartesian_2d(left..end, bottom..top)?;
        chart
            .configure_mesh()
            .x_desc(names.x)
            .y_desc(names.y)
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .draw()?;
        if bottom < 0.0 {
            chart.draw_series(LineSeries::new([(left, 0.0), (right, 0.0)], INK.stroke_width(1)))?;
        }
        if with_diagonal {
            let corner = right.min(top);
            chart.draw_series(DashedLineSeries::new(
                [(0.0, 0.0), (corner, corner)],
                6,
                5,
                INK.stroke_width(1),
            ))?;
        }
        for (line, color) in lines.iter().zip(COLORS.iter().cycle()) {
            if !line.band.is_empty() {
                let low = line.points.iter().zip(&line.band).map(|(point, band)| (point.0, band.0));
                let high = line.points.iter().zip(&line.band).map(|(point, band)| (point.0, band.1));
                let around: Vec<(f64, f64)> = low.chain(high.collect::<Vec<_>>().into_iter().rev()).collect();
                chart.draw_series([Polygon::new(around, color.mix(0.15))])?;
            }
            let color = *color;
            let drawn = chart.draw_series(LineSeries::new(line.points.clone(), color.stroke_width(2)))?;
            drawn
                .label(line.name.as_str())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
            chart.draw_series(line.points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
        }
        if lines.len() > 1 {
            draw_legend(&mut chart)?;
        }
        Ok(())
    })
}

/// A bar per name and series, upright; `shares[series][name]`.
pub(super) fn bars(names: &Names<'_>, of: &[String], series: &[(String, Vec<f64>)]) -> Markup {
    let top = padded(series.iter().flat_map(|(_, values)| values).copied().fold(0.0, f64::max));
    let n = of.len() as f64;
    drawn(names, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..n, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_desc(names.x)
            .y_desc(names.y)
            .x_labels(0)
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .draw()?;
        let width = 0.8 / series.len().max(1) as f64;
        for (number, ((name, values), color)) in series.iter().zip(COLORS.iter().cycle()).enumerate() {
            let color = *color;
            let bar = |(place, value): (usize, &f64)| {
                let left = place as f64 + 0.1 + number as f64 * width;
                Rectangle::new([(left, 0.0), (left + width, *value)], color.filled())
            };
            let drawn = chart.draw_series(values.iter().enumerate().map(bar))?;
            drawn
                .label(name.as_str())
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], color.filled()));
        }
        if series.len() > 1 {
            draw_legend(&mut chart)?;
        }
        Ok(())
    })
}

/// Horizontal bars, the first on top; values may be below 0.
pub(super) fn ranking(names: &Names<'_>, rows: &[(String, f64)]) -> Markup {
    let right = padded(rows.iter().map(|row| row.1).fold(0.0, f64::max));
    let left = rows.iter().map(|row| row.1).fold(0.0, f64::min);
    let height = 70 + 22 * rows.len() as u32;
    drawn_in((SIZE.0, height), names, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(270)
            .build_cartesian_2d(left..right, 0.0..rows.len() as f64)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_desc(names.x)
            .y_labels(0)
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .draw()?;
        let place = |number: usize| (rows.len() - number) as f64;
        let bar = |(number, (_, value)): (usize, &(String, f64))| {
            let corners = [(0.0, place(number) - 0.15), (*value, place(number) - 0.85)];
            Rectangle::new(corners, COLORS[0].filled())
        };
        chart.draw_series(rows.iter().enumerate().map(bar))?;
        let style = ("sans-serif", 13).into_font().color(&INK);
        for (number, (name, _)) in rows.iter().enumerate() {
            let (_, y) = chart.backend_coord(&(left, place(number) - 0.5));
            let (base_x, base_y) = area.get_base_pixel();
            area.draw_text(name, &style, (12 - base_x, y - base_y - 6))?;
        }
        Ok(())
    })
}

/// A little room above the highest value; some for nothing at all.
fn padded(highest: f64) -> f64 {
    if highest > 0.0 { highest * 1.08 } else { 1.0 }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// What the lines of several series are called.
fn draw_legend<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>) -> Result<(), Box<dyn Error>> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(("sans-serif", 13).into_font().color(&INK))
        .draw()?;
    Ok(())
}

fn drawn(names: &Names<'_>, draw: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error>>) -> Markup {
    drawn_in(SIZE, names, draw)
}

/// A figure with its caption; nothing of what cannot be drawn but that, for the figures stand beside.
fn drawn_in(
    size: (u32, u32),
    names: &Names<'_>,
    draw: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error>>,
) -> Markup {
    let mut svg = String::new();
    let result = {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area).and_then(|()| Ok(area.present()?))
    };
    // Sized by the style sheet, and announced by its caption.
    let sized = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
    let svg = svg.replacen(&sized, "<svg role=\"img\" aria-hidden=\"true\"", 1);
    html! {
        figure {
            @if result.is_ok() { (PreEscaped(svg)) }
            figcaption { (names.caption) }
        }
    }
}
