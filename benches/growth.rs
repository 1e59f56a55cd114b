//! Draws how the cost of a computed page grows into `docs/benchmarks/growth.svg`.
//!
//! `cargo bench --bench growth`: medians over two thousand pages a point, on one core.
#![allow(missing_docs, clippy::print_stdout, reason = "a benchmark prints what it measured")]

use plotters::prelude::*;
use reco::request::Request;
use shop::{USERS, recommender};
use std::error::Error;
use std::time::Instant;

mod shop;

const PAGES: u32 = 2_000;

/// One curve: what grows, and median microseconds at each size.
struct Curve {
    what: &'static str,
    points: Vec<(f64, f64)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let curve = |what, sizes: &[u32], median: &dyn Fn(u32) -> f64| {
        let points: Vec<(f64, f64)> = sizes.iter().map(|&size| (f64::from(size), median(size))).collect();
        points.iter().for_each(|(size, micros)| println!("{what:24} {size:>8} {micros:>8.1} us"));
        Curve { what, points }
    };
    let curves = [
        curve("items in the catalogue", &[1_000, 2_000, 5_000, 10_000, 20_000, 50_000], &|n| {
            median_micros(n, 100, 50)
        }),
        curve("events in the history", &[10, 50, 100, 200, 500, 1_000], &|n| median_micros(5_000, n, 50)),
        curve("candidates per source", &[10, 20, 50, 100, 200, 500], &|n| {
            median_micros(5_000, 100, n as usize)
        }),
    ];
    draw(&curves, concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks/growth.svg"))
}

fn median_micros(n_items: u32, history: u32, quota: usize) -> f64 {
    let recommender = recommender(n_items, history, quota);
    let page = |turn: u32| {
        let request = Request::for_user(format!("user{}", turn % USERS));
        let begun = Instant::now();
        let page = recommender.recommend_now(request).expect("always an answer");
        let micros = begun.elapsed().as_secs_f64() * 1e6;
        std::hint::black_box(page);
        micros
    };
    (0..PAGES / 10).for_each(|turn| {
        page(turn);
    });
    let mut micros: Vec<f64> = (0..PAGES).map(page).collect();
    micros.sort_unstable_by(f64::total_cmp);
    micros[micros.len() / 2]
}

/// One chart per curve, side by side.
fn draw(curves: &[Curve], path: &str) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, (1_080, 320)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, curve) in root.split_evenly((1, curves.len())).iter().zip(curves) {
        let widest = curve.points.iter().map(|point| point.0).fold(0.0, f64::max);
        let highest = curve.points.iter().map(|point| point.1).fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..widest * 1.05, 0.0..highest * 1.15)?;
        chart.configure_mesh().x_desc(curve.what).y_desc("median us a page").x_labels(5).draw()?;
        let points = || curve.points.iter().copied();
        chart.draw_series(LineSeries::new(points(), RGBColor(11, 107, 83).stroke_width(2)))?;
        chart.draw_series(points().map(|point| Circle::new(point, 3, RGBColor(11, 107, 83).filled())))?;
    }
    root.present()?;
    Ok(())
}
