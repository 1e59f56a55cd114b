//! Making up a page for somebody new.

use super::Reranker;
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::onboarding::{OnboardingConfig, drawn};
use crate::query::Query;
use crate::retrieve::popular::Popularity;

/// Gives a new user's page its shares of what is popular in the chosen categories and of what explores. Where anything
/// explores, the page is shuffled, by user and day, so that places say nothing; else the popular stands between the usual.
#[derive(Clone, Debug)]
pub struct Onboarding(pub OnboardingConfig);

impl Reranker for Onboarding {
    fn name(&self) -> &'static str {
        "onboarding"
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
        let Self(config) = self;
        if !config.applies(query) {
            return Ok(());
        }
        let explored = config.explored(query);
        let chose = !query.interests().is_empty();
        // Of nobody's choice what is popular with all stands for it, but only beside what explores.
        let source = if chose { OnboardingConfig::INTERESTS } else { Popularity::NAME };
        let share = if chose || explored > 0.0 { config.popular } else { 0.0 };
        let places = |share: f64| (share * want as f64).round() as usize;
        let mut left: Vec<u32> = (0..set.len() as u32).collect();
        let popular = taken(set, &mut left, source, places(share));
        let exploring = taken(set, &mut left, OnboardingConfig::EXPLORE, places(explored));
        if popular.is_empty() && exploring.is_empty() {
            return Ok(());
        }
        // What only explores is worth nothing elsewhere.
        let (further, usual): (Vec<u32>, Vec<u32>) =
            left.into_iter().partition(|&row| proposed_alone(set, row as usize, OnboardingConfig::EXPLORE));
        let is_shuffled = !exploring.is_empty();
        let n_usual = want.saturating_sub(popular.len() + exploring.len()).min(usual.len());
        let (shown, behind) = usual.split_at(n_usual);
        let between = spread(&popular, &[shown, &exploring].concat());
        let mut page: Vec<u32> = between;
        if is_shuffled {
            page.sort_by(|&one, &other| {
                let [one, other] = [one, other].map(|row| set.ids()[row as usize]);
                drawn(query, one).total_cmp(&drawn(query, other)).then(one.cmp(&other))
            });
        }
        page.extend(behind);
        page.extend(further);
        set.select(&page);
        Ok(())
    }
}

/// Takes the `n` best rows of a source out of `rows`.
fn taken(set: &Candidates, rows: &mut Vec<u32>, source: &str, n: usize) -> Vec<u32> {
    let Some(source) = set.sources().iter().position(|name| &**name == source) else { return Vec::new() };
    let hit = |row: u32| set.hit(row as usize, source).map(|hit| (hit.rank, row));
    let mut proposed: Vec<(u32, u32)> = rows.iter().filter_map(|&row| hit(row)).collect();
    proposed.sort_unstable();
    proposed.truncate(n);
    let taken: Vec<u32> = proposed.into_iter().map(|(_, row)| row).collect();
    rows.retain(|row| !taken.contains(row));
    taken
}

/// Whether nobody but this source proposed the item.
fn proposed_alone(set: &Candidates, row: usize, source: &str) -> bool {
    let mut by = set.hits(row).iter().zip(set.sources().iter()).filter(|(hit, _)| hit.is_some());
    by.next().is_some_and(|(_, name)| &**name == source) && by.next().is_none()
}

/// The first rows evenly between the others.
fn spread(first: &[u32], others: &[u32]) -> Vec<u32> {
    let n = first.len() + others.len();
    let (mut from_first, mut from_others) = (first.iter(), others.iter());
    let due = |place: usize| (2 * (place + 1) * first.len()).div_ceil(2 * n.max(1)).min(first.len());
    (0..n)
        .filter_map(|place| {
            let taken = first.len() - from_first.len();
            let next = if due(place) > taken && (place > 0 || others.is_empty()) {
                from_first.next().or_else(|| from_others.next())
            } else {
                from_others.next().or_else(|| from_first.next())
            };
            next.copied()
        })
        .collect()
}
