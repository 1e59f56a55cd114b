//! The probabilities with which the items of a pool take a place.

/// The items that are left of a pool, best first, and what decides between them.
#[derive(Clone, Debug)]
pub(super) enum Odds {
    /// How many are left, and the probability of a place by chance.
    Epsilon { n_left: usize, epsilon: f64 },
    /// The weight of each.
    Softmax(Vec<f64>),
    /// Of each, what is believed of its clicks.
    Thompson(Vec<Belief>),
}

/// A Beta distribution over the cells of a grid.
#[derive(Clone, Debug)]
pub(super) struct Belief {
    /// The probability of every cell.
    mass: Vec<f64>,
    /// Of every cell, the logarithm of the probability of being below it, or in it and drawn lower there.
    log_below: Vec<f64>,
}

impl Odds {
    /// Cells of the grid. What is drawn by are the probabilities on the grid, so a coarse one costs sharpness, not truth.
    const CELLS: usize = 256;

    /// Standard deviations around each mean that the grid covers.
    const REACH: f64 = 6.0;

    pub(super) fn epsilon(n_left: usize, epsilon: f64) -> Self {
        Self::Epsilon { n_left, epsilon }
    }

    /// Scores that are not finite weigh as the least of the others.
    pub(super) fn softmax(scores: &[f32], temperature: f64) -> Self {
        let finite = || scores.iter().filter(|score| score.is_finite()).map(|&score| f64::from(score));
        let n = finite().count().max(1) as f64;
        let mean = finite().sum::<f64>() / n;
        let deviation = (finite().map(|score| (score - mean).powi(2)).sum::<f64>() / n).sqrt();
        let (best, least) = (finite().fold(f64::MIN, f64::max), finite().fold(f64::MAX, f64::min));
        let weight = |&score: &f32| {
            let score = if score.is_finite() { f64::from(score) } else { least };
            // Scores that are all alike, and none at all, leave it to chance.
            if deviation > 0.0 { ((score - best) / (deviation * temperature)).exp() } else { 1.0 }
        };
        Self::Softmax(scores.iter().map(weight).collect())
    }

    /// Of each item the parameters of its Beta distribution, above 0. Rates are looked at as angles, `rate = sin²(angle)`, under which
    /// distributions of as much evidence are as wide wherever they lie.
    pub(super) fn thompson(posteriors: &[(f64, f64)]) -> Self {
        let span = |&(a, b): &(f64, f64)| {
            let (mean, deviation) = ((a / (a + b)).sqrt().asin(), 0.5 / (a + b).sqrt());
            (mean - Self::REACH * deviation, mean + Self::REACH * deviation)
        };
        let right = std::f64::consts::FRAC_PI_2;
        let low = posteriors.iter().map(|posterior| span(posterior).0).fold(right, f64::min).max(0.0);
        let high = posteriors.iter().map(|posterior| span(posterior).1).fold(low, f64::max).min(right);
        let middle = |cell: usize| low + (high - low) * (cell as f64 + 0.5) / Self::CELLS as f64;
        let logs: Vec<(f64, f64)> =
            (0..Self::CELLS).map(|cell| (middle(cell).sin().ln(), middle(cell).cos().ln())).collect();
        Self::Thompson(posteriors.iter().map(|&(a, b)| Belief::new(a, b, &logs)).collect())
    }

    /// The probability of each that is left; together 1.
    pub(super) fn shares(&self) -> Vec<f64> {
        match self {
            Self::Epsilon { n_left, epsilon } => {
                let mut shares = vec![epsilon / *n_left as f64; *n_left];
                shares.iter_mut().take(1).for_each(|share| *share += 1.0 - epsilon);
                shares
            }
            Self::Softmax(weights) => normalized(weights.clone()),
            Self::Thompson(beliefs) => {
                let mut all_below = [0.0; Self::CELLS];
                for belief in beliefs {
                    all_below.iter_mut().zip(&belief.log_below).for_each(|(sum, log)| *sum += log);
                }
                normalized(beliefs.iter().map(|belief| belief.is_best(&all_below)).collect())
            }
        }
    }

    /// Takes out what has its place.
    pub(super) fn remove(&mut self, at: usize) {
        match self {
            Self::Epsilon { n_left, .. } => *n_left -= 1,
            Self::Softmax(weights) => {
                weights.remove(at);
            }
            Self::Thompson(beliefs) => {
                beliefs.remove(at);
            }
        }
    }
}

impl Belief {
    /// `logs` are those of sine and cosine in the middle of each cell.
    fn new(a: f64, b: f64, logs: &[(f64, f64)]) -> Self {
        // The density of the angle: that of the rate times 2 sin cos.
        let density: Vec<f64> =
            logs.iter().map(|(sin, cos)| (2.0 * a - 1.0) * sin + (2.0 * b - 1.0) * cos).collect();
        let most = density.iter().copied().fold(f64::MIN, f64::max);
        let mass = normalized(density.into_iter().map(|log| (log - most).exp()).collect());
        let mut below = 0.0;
        let log_below = mass.iter().map(|mass| {
            below += mass;
            // Two that are in one cell win half the time each. The floor stands for what cannot be.
            (below - mass / 2.0).max(1e-300).ln()
        });
        Self { log_below: log_below.collect(), mass }
    }

    /// The probability that all others are below, given the logarithms of all, its own included.
    fn is_best(&self, all_below: &[f64]) -> f64 {
        let cells = self.mass.iter().zip(&self.log_below).zip(all_below);
        cells.map(|((mass, own), all)| if *mass > 0.0 { mass * (all - own).exp() } else { 0.0 }).sum()
    }
}

/// Shares of a whole, all alike where there is nothing to go by.
fn normalized(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    let n = weights.len() as f64;
    weights.iter_mut().for_each(|weight| *weight = if sum > 0.0 { *weight / sum } else { 1.0 / n });
    weights
}
