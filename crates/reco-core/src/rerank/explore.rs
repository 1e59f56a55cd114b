//! Places of a page that are filled by chance, each with the probability of what it shows.

mod odds;
#[cfg(test)]
mod tests;

use super::{Pinned, Reranker, place_among_new};
use crate::candidate::Candidates;
use crate::error::Fault;
use crate::id::ItemId;
use crate::launch::Counts;
use crate::query::Query;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// How a place that explores is filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExploreHow {
    /// By rank, but with the probability `epsilon` by any of the pool, all alike.
    #[default]
    Epsilon,
    /// With probabilities that grow with the score: softmax over what is left of the pool, place after place, which is the model of
    /// Plackett (1975, "The analysis of permutations") and Luce (1959, "Individual choice behavior").
    PlackettLuce,
    /// With the probability that the item is the one that is clicked most, given how often it was shown and clicked (Thompson 1933;
    /// Chapelle and Li 2011, "An empirical evaluation of Thompson sampling").
    Thompson,
}

/// Which places of a page explore, and how.
///
/// ```
/// use reco_core::pipeline::PipelineConfig;
/// use reco_core::request::Request;
/// use reco_core::rerank::{ExploreConfig, ExploreHow};
/// use reco_core::snapshot::Snapshot;
///
/// let explore = ExploreConfig { how: ExploreHow::PlackettLuce, from: 3, temperature: 0.5, ..ExploreConfig::default() };
/// assert!(explore.problems().is_empty());
/// let config = PipelineConfig { explore: Some(explore), ..PipelineConfig::default() };
/// let recommender = config.builder(Snapshot::default())?.build()?;
/// let page = recommender.recommend_now(Request::for_user("ann").draw(7))?;
/// assert!(page.items.iter().all(|item| item.propensity.is_some()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExploreConfig {
    /// How places are filled.
    pub how: ExploreHow,
    /// The places that explore, from 1; all from `from` on where none is named.
    pub places: Vec<usize>,
    /// The first place that explores where `places` names none; at least 1.
    pub from: usize,
    /// How many of the best that are left by rules may stand on such a place, at least 2; never fewer than the page has places.
    pub pool: usize,
    /// `epsilon`: the probability of filling a place by chance, 0 to 1.
    pub epsilon: f64,
    /// `plackett_luce`: how far apart scores have to be to matter, in standard deviations of the pool's scores; above 0.
    pub temperature: f64,
    /// `thompson`: clicks that every item is taken to have had before it was shown, above 0.
    pub prior_clicks: f64,
    /// `thompson`: impressions without a click, likewise, above 0.
    pub prior_misses: f64,
}

impl Default for ExploreConfig {
    fn default() -> Self {
        Self {
            how: ExploreHow::Epsilon,
            places: Vec::new(),
            from: 1,
            pool: 50,
            epsilon: 0.1,
            temperature: 0.5,
            prior_clicks: 1.0,
            prior_misses: 30.0,
        }
    }
}

impl ExploreConfig {
    /// Most of a pool: what a place costs grows with it.
    const MOST: usize = 1_000;

    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, name: &str, value: String, want: &str| {
            if !fine {
                problems.push(format!("{name} is {value}, must be {want}"));
            }
        };
        for (n, place) in self.places.iter().enumerate() {
            check(*place > 0, &format!("places[{n}]"), place.to_string(), "at least 1");
        }
        check(self.from > 0, "from", self.from.to_string(), "at least 1");
        check((2..=Self::MOST).contains(&self.pool), "pool", self.pool.to_string(), "2 to 1000");
        check((0.0..=1.0).contains(&self.epsilon), "epsilon", self.epsilon.to_string(), "0 to 1");
        for (name, value) in [
            ("temperature", self.temperature),
            ("prior_clicks", self.prior_clicks),
            ("prior_misses", self.prior_misses),
        ] {
            check((1e-3..=1e6).contains(&value), name, value.to_string(), "0.001 to 1000000");
        }
        problems
    }

    /// Whether a place explores; the first is 1.
    fn explores(&self, place: usize) -> bool {
        if self.places.is_empty() { place >= self.from } else { self.places.contains(&place) }
    }
}

/// Fills places by chance. It runs last, over what all filters and rules left, so that it brings nothing on a page that they took out;
/// items that are new or pinned stay where they stand. A request without a [draw](crate::request::Request::draw) is left as it is.
#[derive(Clone, Debug)]
pub struct Explore {
    config: ExploreConfig,
    pins: Pinned,
}

/// What may stand on a place.
enum Chances<'a> {
    /// The row that rules hold there.
    Held(u32),
    /// The best of the pool.
    Best,
    /// Any of the pool, each with its share.
    Of(&'a [f64]),
}

/// What the latest draw of a request gave: the probability of every item that a place was drawn for.
#[derive(Debug, Default)]
struct Drawn(Mutex<FxHashMap<ItemId, Draw>>);

#[derive(Clone, Copy, Debug)]
struct Draw {
    propensity: f64,
    /// Whether it stands there although rank would have had another.
    is_chance: bool,
}

/// The probability with which an item came to its place, where that was left to chance.
pub(crate) fn propensity(query: &Query, item: ItemId) -> Option<f64> {
    query.memo(|_| Drawn::default()).0.lock().get(&item).map(|draw| draw.propensity)
}

/// Whether chance put an item where rank would have had another.
pub(crate) fn is_by_chance(query: &Query, item: ItemId) -> bool {
    query.memo(|_| Drawn::default()).0.lock().get(&item).is_some_and(|draw| draw.is_chance)
}

/// Forgets the draw of a request that is arranged anew.
pub(crate) fn forget_draw(query: &Query) {
    query.memo(|_| Drawn::default()).0.lock().clear();
}

impl Explore {
    /// The name of the rule.
    pub const NAME: &'static str = "explore";

    /// The least probability that is told: events keep it in single precision, in which it must not become 0.
    const LEAST: f64 = f32::MIN_POSITIVE as f64;

    /// Leaves nothing to chance.
    pub(crate) fn nowhere() -> Self {
        let config = ExploreConfig { from: usize::MAX, ..ExploreConfig::default() };
        Self::new(config, Pinned::default())
    }

    /// Under these settings, which must be without [problems](ExploreConfig::problems), around these pins.
    pub fn new(config: ExploreConfig, pins: Pinned) -> Self {
        Self { config, pins }
    }

    /// Of every place the chances of all that could stand there, if what is `shown` stands above it; what is not in the pool counts as
    /// anything else. `set` is in the order of rank.
    pub(crate) fn chances(
        &self,
        query: &Query,
        set: &Candidates,
        shown: &[Option<ItemId>],
    ) -> Vec<Vec<(ItemId, f64)>> {
        let mut places = Vec::with_capacity(shown.len());
        let id = |row: u32| set.ids()[row as usize];
        self.fill(query, set, shown.len(), |pool, chances| {
            let stands = shown.get(places.len()).copied().flatten();
            places.push(match chances {
                Chances::Held(row) => vec![(id(row), 1.0)],
                Chances::Best => pool.iter().take(1).map(|&row| (id(row), 1.0)).collect(),
                Chances::Of(shares) => pool.iter().map(|&row| id(row)).zip(shares.iter().copied()).collect(),
            });
            stands.and_then(|stands| pool.iter().position(|&row| id(row) == stands))
        });
        places
    }

    /// Fills the places of a page, one after the other: `choose` is told the rows of the pool and their chances, and says which of
    /// them is taken, if any. Rows as they stand on the page.
    fn fill(
        &self,
        query: &Query,
        set: &Candidates,
        want: usize,
        mut choose: impl FnMut(&[u32], Chances<'_>) -> Option<usize>,
    ) -> Vec<u32> {
        let pinned: Vec<ItemId> = self.pins.active(query).map(|(_, id)| id).collect();
        let is_held = |row: usize| {
            let id = set.ids()[row];
            pinned.contains(&id) || place_among_new(query, id).is_some()
        };
        let n_shown = want.min(set.len());
        let held: Vec<bool> = (0..set.len()).map(is_held).collect();
        let n_free_places = held[..n_shown].iter().filter(|held| !**held).count();
        let free = (0..set.len() as u32).filter(|&row| !held[row as usize]);
        let mut pool: Vec<u32> = free.take(self.config.pool.max(n_free_places)).collect();
        let mut odds = self.odds(query, set, &pool);
        let mut rows: Vec<u32> = Vec::with_capacity(set.len());
        for (row, is_held) in held.iter().take(n_shown).enumerate() {
            if *is_held {
                choose(&pool, Chances::Held(row as u32));
                rows.push(row as u32);
                continue;
            }
            let at = if self.config.explores(row + 1) && pool.len() > 1 {
                choose(&pool, Chances::Of(&odds.shares()))
            } else {
                choose(&pool, Chances::Best)
            };
            if let Some(at) = at.filter(|at| *at < pool.len()) {
                rows.push(pool.remove(at));
                odds.remove(at);
            }
        }
        rows
    }

    fn odds(&self, query: &Query, set: &Candidates, pool: &[u32]) -> odds::Odds {
        match self.config.how {
            ExploreHow::Epsilon => odds::Odds::epsilon(pool.len(), self.config.epsilon),
            ExploreHow::PlackettLuce => {
                let scores: Vec<f32> = pool.iter().map(|&row| set.scores()[row as usize]).collect();
                odds::Odds::softmax(&scores, self.config.temperature)
            }
            ExploreHow::Thompson => {
                let posterior = |&row: &u32| {
                    let key = query.snapshot.catalog.key(set.ids()[row as usize]);
                    let Counts { impressions, clicks } = query.live.outcome(key);
                    // Somebody may click twice what was shown once.
                    let misses = impressions.saturating_sub(clicks) as f64;
                    (self.config.prior_clicks + clicks as f64, self.config.prior_misses + misses)
                };
                odds::Odds::thompson(&pool.iter().map(posterior).collect::<Vec<_>>())
            }
        }
    }
}

impl Reranker for Explore {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn rerank(&self, query: &Query, set: &mut Candidates, want: usize) -> Result<(), Fault> {
        forget_draw(query);
        let Some(seed) = query.request.draw else { return Ok(()) };
        let mut chance = Chance::new(seed, query.request.user.as_str());
        let mut drawn = FxHashMap::default();
        let mut rows = self.fill(query, set, want, |pool, chances| {
            let (at, propensity) = match chances {
                Chances::Held(_) => return None,
                Chances::Best => (0, 1.0),
                Chances::Of(shares) => {
                    let at = pick(shares, chance.next());
                    (at, shares[at].max(Self::LEAST))
                }
            };
            let id = set.ids()[*pool.get(at)? as usize];
            drawn.insert(id, Draw { propensity, is_chance: at > 0 });
            Some(at)
        });
        let mut is_placed = vec![false; set.len()];
        rows.iter().for_each(|&row| is_placed[row as usize] = true);
        rows.extend((0..set.len() as u32).filter(|&row| !is_placed[row as usize]));
        set.select(&rows);
        *query.memo(|_| Drawn::default()).0.lock() = drawn;
        Ok(())
    }
}

/// The first whose share, with those before it, is above `chance`. What rounding leaves over is for the last that has a share.
fn pick(shares: &[f64], chance: f64) -> usize {
    let mut below = 0.0;
    let found = shares.iter().position(|share| {
        below += share;
        chance < below
    });
    found.or_else(|| shares.iter().rposition(|share| *share > 0.0)).unwrap_or(0)
}

/// Numbers in 0..1 that follow from a seed and a user alone, on every machine: `SplitMix64` (Steele, Lea and Flood 2014, "Fast splittable
/// pseudorandom number generators").
struct Chance(u64);

impl Chance {
    /// Users who ask with one seed get draws of their own.
    fn new(seed: u64, user: &str) -> Self {
        let mut this = Self(seed);
        for byte in user.bytes() {
            this.0 = this.step() ^ u64::from(byte);
        }
        this
    }

    fn step(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn next(&mut self) -> f64 {
        (self.step() >> 11) as f64 / (1u64 << 53) as f64
    }
}
