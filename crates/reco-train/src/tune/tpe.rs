//! Suggestions from what went well: the tree-structured Parzen estimator (Bergstra, Bardenet, Bengio & Kégl,
//! NeurIPS 2011).
//!
//! Trials are divided into the best few and the rest; every parameter gets a density of each. What is
//! suggested is likely among the best and unlikely among the rest.

use super::space::{Assignment, Domain, Parameter, Space};
use rand::Rng;
use rand::distr::{Distribution, StandardUniform};
use serde_json::Value;

/// Share of the trials that count as the best.
const BEST_SHARE: f64 = 0.15;
/// Values drawn from the density of the best, of which the most promising is taken.
const CANDIDATES: usize = 24;

/// A suggestion; `seen` are earlier trials, the best first.
pub(super) fn suggest(space: &Space, seen: &[&Assignment], rng: &mut impl Rng) -> Assignment {
    let n_best = (seen.len() as f64 * BEST_SHARE).ceil() as usize;
    let (best, rest) = seen.split_at(n_best.min(seen.len()));
    space.draw(|parameter| match &parameter.domain {
        Domain::Choices(choices) => {
            let (good, bad) = (shares(parameter, choices, best), shares(parameter, choices, rest));
            choices[promising(|| drawn(&good, rng), |&at| good[at] / bad[at])].clone()
        }
        domain => {
            let (good, bad) =
                (Density::new(&places(parameter, best)), Density::new(&places(parameter, rest)));
            domain.at(promising(|| good.draw(rng), |&place| good.at(place) / bad.at(place)))
        }
    })
}

/// Of several draws the one with the highest ratio, the first of equals.
fn promising<T>(mut draw: impl FnMut() -> T, ratio: impl Fn(&T) -> f64) -> T {
    let first = draw();
    let mut best = (ratio(&first), first);
    for _ in 1..CANDIDATES {
        let value = draw();
        let ratio = ratio(&value);
        if ratio > best.0 {
            best = (ratio, value);
        }
    }
    best.1
}

fn places(parameter: &Parameter, trials: &[&Assignment]) -> Vec<f64> {
    let value = |trial: &&Assignment| trial.get(&parameter.path).cloned();
    trials.iter().filter_map(value).filter_map(|value| parameter.domain.place(&value)).collect()
}

/// How often each choice was taken, with one more of each beforehand; they sum to 1.
fn shares(parameter: &Parameter, choices: &[Value], trials: &[&Assignment]) -> Vec<f64> {
    let n = choices.len() as f64;
    let mut counts = vec![1.0; choices.len()];
    for place in places(parameter, trials) {
        counts[((place * n) as usize).min(choices.len() - 1)] += 1.0;
    }
    let sum: f64 = counts.iter().sum();
    counts.iter().map(|count| count / sum).collect()
}

fn drawn(shares: &[f64], rng: &mut impl Rng) -> usize {
    let mut left: f64 = StandardUniform.sample(rng);
    let is_it = |share: &f64| {
        left -= share;
        left < 0.0
    };
    shares.iter().position(is_it).unwrap_or(shares.len() - 1)
}

/// A mixture over 0 to 1: a normal around each point, cut off at the ends, and a flat part that counts as one.
struct Density {
    /// Middle, width and mass within 0 to 1, the middles ascending.
    bumps: Vec<(f64, f64, f64)>,
}

impl Density {
    fn new(points: &[f64]) -> Self {
        let mut points = points.to_vec();
        points.sort_unstable_by(f64::total_cmp);
        // A bump reaches as far as the farther of its neighbours, but never becomes a needle.
        let narrowest = 1.0 / (points.len() as f64 + 2.0).min(100.0);
        let bump = |at: usize| {
            let middle = points[at];
            let before = at.checked_sub(1).map_or(0.0, |before| points[before]);
            let after = points.get(at + 1).copied().unwrap_or(1.0);
            let width = (middle - before).max(after - middle).clamp(narrowest, 1.0);
            let mass = normal_up_to((1.0 - middle) / width) - normal_up_to(-middle / width);
            (middle, width, mass)
        };
        Self { bumps: (0..points.len()).map(bump).collect() }
    }

    fn at(&self, place: f64) -> f64 {
        let height = |&(middle, width, mass): &(f64, f64, f64)| {
            let from_middle = (place - middle) / width;
            (-0.5 * from_middle * from_middle).exp() / (width * mass * std::f64::consts::TAU.sqrt())
        };
        (1.0 + self.bumps.iter().map(height).sum::<f64>()) / (self.bumps.len() as f64 + 1.0)
    }

    fn draw(&self, rng: &mut impl Rng) -> f64 {
        let mut uniform = || -> f64 { StandardUniform.sample(&mut *rng) };
        let which = (uniform() * (self.bumps.len() as f64 + 1.0)) as usize;
        let Some(&(middle, width, _)) = self.bumps.get(which) else { return uniform() };
        // At least a third of every bump lies within, so that this ends at once.
        for _ in 0..64 {
            // Box & Muller; 1 - u is above 0.
            let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
            let place = middle + width * radius * (std::f64::consts::TAU * uniform()).cos();
            if (0.0..=1.0).contains(&place) {
                return place;
            }
        }
        middle
    }
}

/// The standard normal's mass below `x`, to 1e-7 (Abramowitz & Stegun 1964, 26.2.17).
fn normal_up_to(x: f64) -> f64 {
    const TERMS: [f64; 5] = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = TERMS.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    let beyond = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt() * series;
    if x < 0.0 { beyond } else { 1.0 - beyond }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;
    use serde_json::json;

    #[test]
    fn the_normal_is_that_of_the_tables() {
        for (x, mass) in [(0.0, 0.5), (1.0, 0.841_344_746), (-1.96, 0.024_997_895), (3.0, 0.998_650_102)] {
            assert!((normal_up_to(x) - mass).abs() < 1e-7, "{x}");
        }
    }

    #[test]
    fn suggestions_gather_where_it_went_well() {
        let written = json!({ "x": { "min": 0.0, "max": 1.0 }, "c": ["a", "b", "c"] });
        let space = Space::read(written.as_object().unwrap()).unwrap();
        let mut rng = Pcg64::seed_from_u64(1);
        // The nearer to 0.7, and with b, the better.
        let mut seen: Vec<Assignment> = (0..40)
            .map(|n| {
                let choice = ["a", "b", "c"][n % 3];
                [("x".to_owned(), json!(n as f64 / 40.0)), ("c".to_owned(), json!(choice))].into()
            })
            .collect();
        let loss = |trial: &Assignment| {
            (trial["x"].as_f64().unwrap() - 0.7).abs() + if trial["c"] == "b" { 0.0 } else { 0.3 }
        };
        seen.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
        let seen: Vec<&Assignment> = seen.iter().collect();
        let suggested: Vec<Assignment> = (0..50).map(|_| suggest(&space, &seen, &mut rng)).collect();
        let near = suggested.iter().filter(|trial| (trial["x"].as_f64().unwrap() - 0.7).abs() < 0.2).count();
        let of_b = suggested.iter().filter(|trial| trial["c"] == "b").count();
        assert!(near > 35 && of_b > 35, "{near} near, {of_b} of b");
    }

    proptest! {
        #[test]
        fn a_density_has_mass_one(points in prop::collection::vec(0.0f64..=1.0, 0..12)) {
            let density = Density::new(&points);
            let mass: f64 = (0..20_000).map(|n| density.at((f64::from(n) + 0.5) / 20_000.0)).sum::<f64>() / 20_000.0;
            prop_assert!((mass - 1.0).abs() < 1e-3, "{mass}");
            let mut rng = Pcg64::seed_from_u64(3);
            for _ in 0..50 {
                prop_assert!((0.0..=1.0).contains(&density.draw(&mut rng)));
            }
        }
    }
}
