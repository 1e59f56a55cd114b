//! Who decides which new item is shown.

use rand::distr::{Distribution, StandardUniform, Uniform};
use rand_pcg::Pcg64;
use reco_core::id::{ItemKey, UserKey};
use reco_core::launch::{self, Counted, Counts, ExposureBudget, LaunchConfig, Stage};
use std::fmt::Debug;

/// An item that was shown, once it is known whether it was clicked.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The item's number.
    pub item: usize,
    /// To whom.
    pub user: usize,
    /// Whether they clicked.
    pub is_clicked: bool,
}

/// Decides what is shown. Items have numbers, from 0 in the order in which they come.
pub trait Policy: Debug {
    /// Names it in tables.
    fn name(&self) -> &'static str;
    /// An item comes.
    fn arrive(&mut self, item: usize);
    /// Which of the items that matter to a page takes the place; `None` for what is there otherwise.
    fn choose(&mut self, user: usize, relevant: &[usize], rng: &mut Pcg64) -> Option<usize>;
    /// It is known what came of showing an item.
    fn learn(&mut self, shown: &Shown);
    /// A day ends: models are trained.
    fn train(&mut self);
}

/// What is known of an item: by now, and by the last training.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    now: Counts,
    trained: Counts,
}

impl Known {
    fn add(&mut self, shown: &Shown) {
        self.now.impressions += 1;
        self.now.clicks += u64::from(shown.is_clicked);
    }

    fn train(&mut self) {
        self.trained = self.now;
    }

    /// The share that clicks, as far as it can be told: what is usual, as if that had been seen on some pages, and what was seen.
    fn estimate(counts: Counts, usual: f64) -> f64 {
        (counts.clicks as f64 + usual * WEIGHT) / (counts.impressions as f64 + WEIGHT)
    }
}

/// Pages that the usual rate of clicks counts as.
const WEIGHT: f64 = 100.0;

/// The best by estimates, if that is better than what is usual.
fn best(
    counts: impl Fn(usize) -> Counts,
    relevant: impl Iterator<Item = usize>,
    usual: f64,
) -> Option<usize> {
    let estimate = |item: &usize| Known::estimate(counts(*item), usual);
    relevant.filter(|item| estimate(item) > usual).max_by(|a, b| estimate(a).total_cmp(&estimate(b)))
}

/// Reco's: trials with a budget, a verdict, and after the next training the place that the models give.
#[derive(Debug)]
pub struct Launching {
    config: LaunchConfig,
    usual: f64,
    budget: Counted,
    known: Vec<Known>,
    /// Items of which a training knows: those that came before it.
    n_trained: usize,
    keys: Vec<ItemKey>,
}

impl Launching {
    /// By these rules, where what is usual is clicked so often.
    pub fn new(config: LaunchConfig, usual: f64) -> Self {
        Self { config, usual, budget: Counted::default(), known: Vec::new(), n_trained: 0, keys: Vec::new() }
    }

    fn stage(&self, item: usize) -> Stage {
        self.config.stage(self.known[item].now)
    }
}

impl Policy for Launching {
    fn name(&self) -> &'static str {
        "launch"
    }

    fn arrive(&mut self, item: usize) {
        self.known.push(Known::default());
        self.keys.push(format!("item{item}").into());
    }

    fn choose(&mut self, user: usize, relevant: &[usize], _: &mut Pcg64) -> Option<usize> {
        let user: UserKey = format!("user{user}").into();
        let mut eligible: Vec<(f64, usize, Stage)> = (relevant.iter().copied())
            .filter(|item| *item >= self.n_trained)
            .map(|item| (launch::place(&user, &self.keys[item]), item, self.stage(item)))
            .filter(|(place, _, stage)| *place < self.config.share_of(*stage))
            .collect();
        eligible.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let granted = eligible.into_iter().find(|(_, item, stage)| {
            let limit = self.config.budget_of(*stage);
            limit.is_none_or(|limit| self.budget.take(&self.keys[*item], limit))
        });
        let trained = || {
            let known = relevant.iter().copied().filter(|item| *item < self.n_trained);
            best(|item| self.known[item].trained, known, self.usual)
        };
        granted.map(|(_, item, _)| item).or_else(trained)
    }

    fn learn(&mut self, shown: &Shown) {
        self.known[shown.item].add(shown);
    }

    fn train(&mut self) {
        self.n_trained = self.keys.len();
        self.known.iter_mut().for_each(Known::train);
    }
}

/// Shows any item on a share of the pages, whatever is known of it, and what seems best on the others.
#[derive(Debug)]
pub struct EpsilonGreedy {
    epsilon: f64,
    usual: f64,
    is_online: bool,
    known: Vec<Known>,
}

impl EpsilonGreedy {
    /// With this share of pages to try things out on. What seems best is told by the last training, as on the rest of a page.
    pub fn new(epsilon: f64, usual: f64) -> Self {
        Self { epsilon, usual, is_online: false, known: Vec::new() }
    }

    /// The same, but it acts on every click at once.
    pub fn online(epsilon: f64, usual: f64) -> Self {
        Self { is_online: true, ..Self::new(epsilon, usual) }
    }
}

impl Policy for EpsilonGreedy {
    fn name(&self) -> &'static str {
        if self.is_online { "epsilon_greedy_online" } else { "epsilon_greedy" }
    }

    fn arrive(&mut self, _: usize) {
        self.known.push(Known::default());
    }

    fn choose(&mut self, _: usize, relevant: &[usize], rng: &mut Pcg64) -> Option<usize> {
        let luck: f64 = StandardUniform.sample(rng);
        if luck < self.epsilon && !relevant.is_empty() {
            let place = Uniform::new(0, relevant.len()).expect("there is one").sample(rng);
            return Some(relevant[place]);
        }
        let counts =
            |item: usize| if self.is_online { self.known[item].now } else { self.known[item].trained };
        best(counts, relevant.iter().copied(), self.usual)
    }

    fn learn(&mut self, shown: &Shown) {
        self.known[shown.item].add(shown);
    }

    fn train(&mut self) {
        self.known.iter_mut().for_each(Known::train);
    }
}

/// Shows what seems best, by every click at once, if each item is as good as a guess at it, drawn from what is known of it (Thompson, Biometrika 1933).
#[derive(Debug)]
pub struct Thompson {
    usual: f64,
    known: Vec<Known>,
}

impl Thompson {
    /// Where what is usual is clicked so often.
    pub fn new(usual: f64) -> Self {
        Self { usual, known: Vec::new() }
    }
}

impl Policy for Thompson {
    fn name(&self) -> &'static str {
        "thompson"
    }

    fn arrive(&mut self, _: usize) {
        self.known.push(Known::default());
    }

    fn choose(&mut self, _: usize, relevant: &[usize], rng: &mut Pcg64) -> Option<usize> {
        let guesses = relevant.iter().map(|&item| {
            let Counts { impressions, clicks } = self.known[item].now;
            // As if what is usual had been seen once clicked.
            let (yes, no) = (clicks as f64 + 1.0, (impressions - clicks) as f64 + 1.0 / self.usual - 1.0);
            (beta(yes, no, rng), item)
        });
        let guesses: Vec<(f64, usize)> = guesses.collect();
        let best = guesses.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
        best.filter(|(guess, _)| *guess > self.usual).map(|(_, item)| item)
    }

    fn learn(&mut self, shown: &Shown) {
        self.known[shown.item].add(shown);
    }

    fn train(&mut self) {}
}

/// A number of the beta distribution, from two of gamma distributions.
fn beta(a: f64, b: f64, rng: &mut Pcg64) -> f64 {
    let (x, y) = (gamma(a, rng), gamma(b, rng));
    x / (x + y)
}

/// A number of the gamma distribution of this shape, at least 1 (Marsaglia and Tsang, "A Simple Method for Generating Gamma
/// Variables", ACM TOMS 2000).
fn gamma(shape: f64, rng: &mut Pcg64) -> f64 {
    let mode = shape - 1.0 / 3.0;
    loop {
        let x = normal(rng);
        let cube = (1.0 + x / (9.0 * mode).sqrt()).powi(3);
        let luck: f64 = StandardUniform.sample(rng);
        if cube > 0.0 && luck.ln() < 0.5 * x * x + mode - mode * cube + mode * cube.ln() {
            return mode * cube;
        }
    }
}

/// A number of the normal distribution (Box and Muller).
fn normal(rng: &mut Pcg64) -> f64 {
    let (u, v): (f64, f64) = (StandardUniform.sample(rng), StandardUniform.sample(rng));
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
