//! Two rankers on one page: whose items are clicked, told by far fewer users than arms would need.

use super::statistics::StatisticsError;
use super::statistics::error::check;
use super::statistics::{sign_test, stream};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::hash::Hash;

/// Which of two rankers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Team {
    /// The first.
    A,
    /// The second.
    B,
}

/// A list made of two, and who chose which item of it.
///
/// Team draft (Radlinski, Kurup & Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008): whoever
/// has chosen fewer items chooses next, and a coin decides where both have chosen as many; the choice is the best item
/// of one's own list that is not there yet. When one list is used up, the other goes on.
///
/// ```
/// use reco_core::experiment::interleave::{Team, TeamDraft};
///
/// let page = TeamDraft::seeded(&["tea", "milk", "bread"], &["bread", "jam", "tea"], 4, 42);
/// assert_eq!(page.items().len(), 4);
/// let [of_a, of_b] = page.credit(&["jam"]);
/// assert_eq!((of_a, of_b), (0, 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamDraft<T> {
    items: Vec<T>,
    teams: Vec<Team>,
}

impl<T: Clone + Eq + Hash> TeamDraft<T> {
    /// At most `count` items of two ranked lists; `coin` is tossed once per tie, and `true` lets A choose first.
    ///
    /// A list that names an item twice has it where it is named first.
    pub fn new(a: &[T], b: &[T], count: usize, mut coin: impl FnMut() -> bool) -> Self {
        let mut draft = Self { items: Vec::new(), teams: Vec::new() };
        let (mut left_a, mut left_b) = (a.iter(), b.iter());
        let mut shown: HashSet<&T> = HashSet::new();
        let mut n_a = 0;
        while draft.items.len() < count {
            let turn = match (2 * n_a).cmp(&draft.items.len()) {
                std::cmp::Ordering::Less => Team::A,
                std::cmp::Ordering::Greater => Team::B,
                std::cmp::Ordering::Equal if coin() => Team::A,
                std::cmp::Ordering::Equal => Team::B,
            };
            let mut next_of = |team| match team {
                Team::A => left_a.find(|item| !shown.contains(item)),
                Team::B => left_b.find(|item| !shown.contains(item)),
            };
            let chosen = next_of(turn).map(|item| (item, turn));
            let other = turn.other();
            let Some((item, team)) = chosen.or_else(|| next_of(other).map(|item| (item, other))) else {
                break;
            };
            shown.insert(item);
            n_a += usize::from(team == Team::A);
            draft.items.push(item.clone());
            draft.teams.push(team);
        }
        draft
    }

    /// The same with coins from a seed: the same seed and lists give the same page.
    pub fn seeded(a: &[T], b: &[T], count: usize, seed: u64) -> Self {
        let mut rng = stream(seed, 0);
        Self::new(a, b, count, || rng.next_u64() >> 63 == 1)
    }

    /// The page, best first.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Who chose each item.
    pub fn teams(&self) -> &[Team] {
        &self.teams
    }

    /// How many of these clicks were on A's items and on B's; what is not on the page counts for neither.
    pub fn credit(&self, clicks: &[T]) -> [u64; 2] {
        let mut credit = [0, 0];
        for click in clicks {
            if let Some(at) = self.items.iter().position(|item| item == click) {
                credit[usize::from(self.teams[at] == Team::B)] += 1;
            }
        }
        credit
    }
}

impl Team {
    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Pages that one ranker won, having more of their clicks than the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preference {
    /// Pages that A won.
    pub wins_a: u64,
    /// Pages that B won.
    pub wins_b: u64,
    /// Pages with clicks that neither won.
    pub ties: u64,
}

impl Preference {
    /// Another page, with its [`credit`](TeamDraft::credit); pages without clicks say nothing.
    pub fn push(&mut self, [of_a, of_b]: [u64; 2]) {
        match of_a.cmp(&of_b) {
            std::cmp::Ordering::Greater => self.wins_a += 1,
            std::cmp::Ordering::Less => self.wins_b += 1,
            std::cmp::Ordering::Equal => self.ties += u64::from(of_a > 0),
        }
    }

    /// How far B is preferred: from -0.5, A won every page, to 0.5; ties count for both (Chapelle, Joachims, Radlinski &
    /// Yue, ACM TOIS 30, 2012, section 4.1). `None` without pages.
    pub fn delta(&self) -> Option<f64> {
        let n = self.wins_a + self.wins_b + self.ties;
        let for_b = self.wins_b as f64 + 0.5 * self.ties as f64;
        (n > 0).then(|| for_b / n as f64 - 0.5)
    }

    /// Probability of at least so clear a preference, in either direction, were there none: the exact sign test, which
    /// leaves ties out.
    ///
    /// # Errors
    ///
    /// No page that either won.
    pub fn p(&self) -> Result<f64, StatisticsError> {
        let n = self.wins_a + self.wins_b;
        check(n > 0, "the number of pages won", n, "at least 1")?;
        Ok(sign_test(self.wins_a, self.wins_b))
    }
}
