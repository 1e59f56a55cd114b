//! How new items are introduced, tried out on users who are made up: what it costs until each is where it belongs.
//!
//! Each page has one place that a new item may take from what would stand there otherwise, which is clicked as often as
//! [`World::usual`]. Every day brings items, most of them worse than that and some better; each matters to a share of the pages. Whoever
//! knew how good they are would put the best of those that matter there, or none. *Regret* is how many clicks fewer a policy gets.

mod policy;

pub use policy::{EpsilonGreedy, Launching, Policy, Shown, Thompson};

use rand::SeedableRng;
use rand::distr::{Bernoulli, Distribution, StandardUniform, Uniform};
use rand_pcg::Pcg64;
use serde::Serialize;

/// The world that policies are tried in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct World {
    /// Days, each ended by a training.
    pub days: usize,
    /// Pages of a day.
    pub pages: usize,
    /// Users, each as likely to ask for a page as any other.
    pub users: usize,
    /// Items that come each day.
    pub items: usize,
    /// How many of them are good.
    pub good: usize,
    /// The share of pages that an item matters to.
    pub relevance: f64,
    /// How often what stands there otherwise is clicked.
    pub usual: f64,
    /// The least and the most that a good item is clicked, and a bad one.
    pub click_through: [(f64, f64); 2],
    /// Pages after which a click is known: events take their time.
    pub delay: usize,
    /// Where chance begins.
    pub seed: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            days: 14,
            pages: 200_000,
            users: 20_000,
            items: 10,
            good: 2,
            relevance: 0.1,
            usual: 0.03,
            click_through: [(0.05, 0.09), (0.002, 0.02)],
            delay: 2_000,
            seed: 7,
        }
    }
}

/// How a policy did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Its name.
    pub policy: &'static str,
    /// Clicks fewer than those of whoever knew, per thousand pages: all in all.
    pub regret: f64,
    /// The part of it that good items cost which stood back: for what is usual, or for worse ones.
    pub regret_of_good: f64,
    /// The part of it that showing bad items cost.
    pub regret_of_bad: f64,
    /// How often a bad item was shown, on average and at most.
    pub shown_bad: (f64, u64),
    /// Days until a good item was shown on nine of ten pages on which it was the best, in the middle of them; none
    /// if half of them never were.
    pub days_to_place: Option<f64>,
    /// Clicks per thousand pages.
    pub clicks: f64,
}

/// An item as it is.
#[derive(Clone, Debug)]
struct Truth {
    day: usize,
    is_good: bool,
    click_through: f64,
    n_shown: u64,
    /// By day since it came: pages on which it was the best there is, and on which it was shown then.
    best: Vec<(u64, u64)>,
}

/// Tries a policy out.
///
/// # Panics
///
/// Panics in a world without users, with a share that is none, or whose items are clicked at most as often as at least.
pub fn simulate(world: &World, policy: &mut dyn Policy) -> Outcome {
    let mut rng = Pcg64::seed_from_u64(world.seed);
    // Of its own, so that the world is the same whoever decides.
    let mut guesses = Pcg64::seed_from_u64(!world.seed);
    let mut items: Vec<Truth> = Vec::new();
    let mut late: std::collections::VecDeque<(usize, Shown)> = std::collections::VecDeque::new();
    let (mut regret, mut of_good, mut of_bad, mut clicks) = (0.0, 0.0, 0.0, 0.0);
    for page in 0..world.days * world.pages {
        let day = page / world.pages;
        if page.is_multiple_of(world.pages) {
            policy.train();
            arrive(world, day, &mut items, policy, &mut rng);
        }
        while let Some((_, shown)) = late.pop_front_if(|(at, _)| *at <= page) {
            policy.learn(&shown);
        }
        let user = Uniform::new(0, world.users).expect("there are users").sample(&mut rng);
        let relevant = relevant(world, items.len(), &mut rng);
        let chosen = policy.choose(user, &relevant, &mut guesses);
        let rate = |item: Option<usize>| item.map_or(world.usual, |item| items[item].click_through);
        let best = relevant
            .iter()
            .copied()
            .map(Some)
            .chain([None])
            .max_by(|a, b| rate(*a).total_cmp(&rate(*b)))
            .flatten();
        let lost = rate(best) - rate(chosen);
        regret += lost;
        match chosen {
            Some(item) if !items[item].is_good => of_bad += lost,
            _ => of_good += lost,
        }
        // Everybody would click on the same, so that policies differ by what they show alone.
        let luck: f64 = StandardUniform.sample(&mut rng);
        let is_clicked = luck < rate(chosen);
        clicks += rate(chosen);
        if let Some(best) = best {
            let since = day - items[best].day;
            let of_day = &mut items[best].best[since];
            of_day.0 += 1;
            of_day.1 += u64::from(chosen == Some(best));
        }
        if let Some(item) = chosen {
            items[item].n_shown += 1;
            late.push_back((page + world.delay, Shown { item, user, is_clicked }));
        }
    }
    let per_thousand = 1_000.0 / (world.days * world.pages) as f64;
    let bad: Vec<u64> = items.iter().filter(|item| !item.is_good).map(|item| item.n_shown).collect();
    Outcome {
        policy: policy.name(),
        regret: regret * per_thousand,
        regret_of_good: of_good * per_thousand,
        regret_of_bad: of_bad * per_thousand,
        shown_bad: (
            bad.iter().sum::<u64>() as f64 / bad.len().max(1) as f64,
            bad.iter().copied().max().unwrap_or(0),
        ),
        days_to_place: days_to_place(&items),
        clicks: clicks * per_thousand,
    }
}

fn arrive(world: &World, day: usize, items: &mut Vec<Truth>, policy: &mut dyn Policy, rng: &mut Pcg64) {
    for number in 0..world.items {
        let is_good = number < world.good;
        let (least, most) = world.click_through[usize::from(!is_good)];
        let click_through = Uniform::new(least, most).expect("the least is less than the most").sample(rng);
        policy.arrive(items.len());
        items.push(Truth { day, is_good, click_through, n_shown: 0, best: vec![(0, 0); world.days - day] });
    }
}

/// Which of the items matter to a page.
fn relevant(world: &World, n_items: usize, rng: &mut Pcg64) -> Vec<usize> {
    let matters = Bernoulli::new(world.relevance).expect("a share");
    (0..n_items).filter(|_| matters.sample(rng)).collect()
}

/// The middle of the days after which good items were mostly where they belong.
fn days_to_place(items: &[Truth]) -> Option<f64> {
    let arrived = |item: &Truth| {
        item.best
            .iter()
            .position(|(best, shown)| *best > 0 && *shown * 10 >= *best * 9)
            .map_or(f64::INFINITY, |day| day as f64)
    };
    // Those of the last days had no chance.
    let had_time = |item: &&Truth| item.is_good && item.best.len() > 3;
    let mut days: Vec<f64> = items.iter().filter(had_time).map(arrived).collect();
    days.sort_unstable_by(f64::total_cmp);
    days.get(days.len() / 2).copied().filter(|days| days.is_finite())
}

#[cfg(test)]
mod tests;
