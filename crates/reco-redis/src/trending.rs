//! What is taken more and more right now, by everybody's events together.

use crate::client::{Batch, RedisClient, Script, read};
use crate::error::{CallError, ConfigError};
use async_trait::async_trait;
use reco_core::error::{Fault, FaultKind};
use reco_core::id::{ItemKey, UserKey};
use reco_core::retrieve::{RemoteGenerator, RemoteHit};
use reco_core::time::{Budget, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// One event of an item, for a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The item.
    pub item: ItemKey,
    /// How much it counts, above 0.
    pub weight: f32,
    /// When it happened.
    pub at: Timestamp,
}

/// Boards of items by their decayed events, one for each scope (all, a category, a country) under one name.
///
/// A board is a sorted set, `PREFIX:trend:{SCOPE}:NAME`. Its scores are those of
/// [`Trend`](reco_core::trend::Trend): base-2 logarithms of decayed weight moved to the epoch, which do not change by
/// waiting. So nothing is ever written again, events may come late or in any order, and reading the best n is one
/// range of one set. Boards of several half-lives are several windows: an hour's trend beside a week's.
///
/// Only the strongest `kept` items stay; a board that nobody adds to expires after twenty half-lives, when
/// next to nothing is left of it.
///
/// ```no_run
/// use reco_core::time::{SystemClock, Clock};
/// use reco_redis::{RedisClient, RedisConfig, Sighting, Trending};
/// use std::sync::Arc;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = RedisClient::new(RedisConfig::default(), Arc::new(SystemClock), 7)?;
/// let day = Trending::new(&client, "day", 1.0, 10_000)?;
/// let sighting = Sighting { item: "tea".into(), weight: 1.0, at: SystemClock.wall() };
/// day.add("all", &[sighting]).await?;
/// let top = day.top(&["all"], 20, SystemClock.wall()).await?;
/// assert_eq!(top[0].item, "tea".into());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Trending {
    client: RedisClient,
    name: Arc<str>,
    half_life_days: f64,
    kept: usize,
    script: Script,
}

impl Trending {
    const NAME: &'static str = "redis_trending";

    /// Most sightings in one run of the script, which nothing else interrupts: about a millisecond.
    const BLOCK: usize = 500;

    /// Half-lives after which a board that nobody adds to is gone.
    const KEPT_HALF_LIVES: f64 = 20.0;

    /// Boards under a name whose events count half after `half_life_days`, with at most `kept` items each.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] if the half-life is not between a second and ten years or `kept` not between 1 and 1,000,000.
    pub fn new(
        client: &RedisClient,
        name: &str,
        half_life_days: f64,
        kept: usize,
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        if !(1.0 / 86_400.0..=3_650.0).contains(&half_life_days) {
            problems.push(format!(
                "half_life_days of `{name}` is {half_life_days}, must be between 0.0000116 (a second) and 3650"
            ));
        }
        if !(1..=1_000_000).contains(&kept) {
            problems.push(format!("kept of `{name}` is {kept}, must be between 1 and 1000000"));
        }
        if !problems.is_empty() {
            return Err(ConfigError::Invalid(problems));
        }
        let script = Script::new(include_str!("trending.lua"));
        Ok(Self { client: client.clone(), name: name.into(), half_life_days, kept, script })
    }

    /// Adds events to the board of a scope. Each counts once, even if the call has to be repeated because an answer
    /// got lost.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when some may not have been added; [`Invalid`](FaultKind::Invalid) if a weight is not above 0.
    pub async fn add(&self, scope: &str, sightings: &[Sighting]) -> Result<(), Fault> {
        if let Some(wrong) = sightings.iter().find(|it| !(it.weight > 0.0 && it.weight.is_finite())) {
            let problem = format!("weight of `{}` is {}, must be above 0", wrong.item, wrong.weight);
            return Err(Fault::new(Self::NAME, FaultKind::Invalid).because(problem));
        }
        let keys = self.client.keys();
        let board = keys.owned("trend", scope, &self.name);
        let mut batch = Batch::default();
        for block in sightings.chunks(Self::BLOCK) {
            let mark =
                keys.owned("trend", scope, format_args!("{}:added:{:016x}", self.name, self.client.token()));
            batch.push_script(&self.script, &[&board, &mark], |command| {
                command
                    .arg(self.kept)
                    .arg((self.half_life_days * Self::KEPT_HALF_LIVES * 86_400_000.0) as u64);
                for Sighting { item, weight, at } in block {
                    let score = f64::from(*weight).log2() + self.half_lives(*at);
                    command.arg(score).arg(item.as_str());
                }
            });
        }
        self.client.run(&batch).await.map(drop).map_err(|error| error.fault(Self::NAME))
    }

    /// The strongest `n` of several scopes together, best first, with their decayed weights at `now`; one round trip.
    /// An item that is on several boards counts as on the one where it is strongest.
    ///
    /// # Errors
    ///
    /// A [`Fault`] when a board cannot be read.
    pub async fn top(&self, scopes: &[&str], n: usize, now: Timestamp) -> Result<Vec<RemoteHit>, Fault> {
        if n == 0 {
            return Ok(Vec::new());
        }
        let boards: Vec<String> =
            scopes.iter().map(|scope| self.client.keys().owned("trend", scope, &self.name)).collect();
        let mut batch = Batch::default();
        for board in &boards {
            let mut command = redis::cmd("ZRANGE");
            command.arg(board).arg(0).arg(n - 1).arg("REV").arg("WITHSCORES");
            batch.push(board, command);
        }
        let answers = self.client.run(&batch).await.map_err(|error| error.fault(Self::NAME))?;
        let mut strongest: HashMap<String, f64> = HashMap::new();
        for (board, answer) in boards.iter().zip(answers) {
            let rows: Result<Vec<(String, f64)>, CallError> = read(answer, board);
            for (item, score) in rows.map_err(|error| error.fault(Self::NAME))? {
                strongest.entry(item).and_modify(|best| *best = best.max(score)).or_insert(score);
            }
        }
        let mut rows: Vec<(String, f64)> = strongest.into_iter().collect();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        rows.truncate(n);
        let then = self.half_lives(now);
        // What happens after `now` by a wide margin would be beyond any weight.
        let weight = |score: f64| ((score - then).exp2() as f32).min(f32::MAX);
        Ok(rows
            .into_iter()
            .map(|(item, score)| RemoteHit { item: item.into(), score: weight(score) })
            .collect())
    }

    fn half_lives(&self, at: Timestamp) -> f64 {
        at.days_since(Timestamp::default()) / self.half_life_days
    }
}

/// Proposes what trends in some scopes, the same to everybody.
///
/// ```no_run
/// # fn run(client: &reco_redis::RedisClient) -> Result<(), reco_redis::ConfigError> {
/// use reco_redis::{Trending, TrendingGenerator};
///
/// let generator = TrendingGenerator::new(Trending::new(client, "hour", 1.0 / 24.0, 10_000)?, ["all"]);
/// # let _ = generator;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TrendingGenerator {
    boards: Trending,
    scopes: Vec<String>,
    name: String,
}

impl TrendingGenerator {
    /// Over the boards of the given scopes; its name is `redis_trending_` and that of the boards.
    pub fn new<S: Into<String>>(boards: Trending, scopes: impl IntoIterator<Item = S>) -> Self {
        let name = format!("{}_{}", Trending::NAME, boards.name);
        Self { boards, scopes: scopes.into_iter().map(Into::into).collect(), name }
    }
}

#[async_trait]
impl RemoteGenerator for TrendingGenerator {
    fn name(&self) -> &str {
        &self.name
    }

    async fn generate(&self, _: &UserKey, limit: usize, budget: &Budget) -> Result<Vec<RemoteHit>, Fault> {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let top = self.boards.top(&scopes, limit, budget.clock().wall());
        budget.run(top).await.unwrap_or_else(|| Err(Fault::new(self.name(), FaultKind::Timeout)))
    }
}
