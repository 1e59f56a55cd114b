//! Fitting popularity and trends.

mod window;

use super::{FitError, bad};
use crate::progress::Progress;
use reco_core::catalog::Catalog;
use reco_core::event::ActionWeights;
use reco_core::interactions::InteractionLog;
use reco_core::retrieve::popular::Popularity;
use reco_core::retrieve::trending::Trends;
use reco_core::trend::Trend;
use serde::{Deserialize, Serialize};

pub use window::Window;

/// Parameters of popularity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PopularParams {
    /// Only the last days of the data count: so many, above 0; as many as tell most of what new users take (`auto`); or `false`
    /// for all of it. Data without times counts whole.
    #[serde(with = "reco_core::switch")]
    pub window_days: Option<Window>,
}

impl Default for PopularParams {
    fn default() -> Self {
        Self { window_days: Some(Window::Auto) }
    }
}

impl PopularParams {
    /// What is wrong with these parameters, one line each.
    pub fn problems(&self) -> Vec<String> {
        match self.window_days {
            Some(Window::Days(days)) if days <= 0.0 || !days.is_finite() => {
                vec![bad("window_days", days, "above 0")]
            }
            _ => Vec::new(),
        }
    }
}

/// Counts distinct users per item within the window, and over all the data to tell those apart that it cannot.
///
/// # Errors
///
/// [`FitError::Params`] for parameters out of range.
pub fn popularity(
    log: &InteractionLog,
    catalog: &Catalog,
    weights: &ActionWeights,
    params: &PopularParams,
    progress: &dyn Progress,
) -> Result<Popularity, FitError> {
    FitError::check("popular", params.problems())?;
    let window = params.window_days.filter(|_| log.has_times());
    let days = window.and_then(|window| window.days(log, weights, progress));
    let since = days.and_then(|days| Some(log.span()?.1.plus_days(-days)));
    let users = |log: &InteractionLog| log.matrix(catalog.len(), weights).column_lengths();
    let ever = users(log);
    let lately = since.map_or_else(
        || ever.clone(),
        |since| {
            let rows = (0..log.len() as u32).filter(|&row| log.at[row as usize] >= since);
            users(&log.select(&rows.collect::<Vec<_>>()))
        },
    );
    let labels = catalog.category();
    Ok(Popularity::new(lately, &ever, labels.cardinality(), |id| labels.code(id)))
}

/// Sums decayed event weights per item.
pub fn trends(log: &InteractionLog, n_items: usize, weights: &ActionWeights, half_life_days: f64) -> Trends {
    let weight = log.weights(weights);
    let mut by_item = vec![Trend::NOTHING; n_items];
    for row in (0..log.len()).filter(|&row| weight[row] > 0.0) {
        let trend = &mut by_item[log.item[row].index()];
        *trend = trend.plus(Trend::of_event(weight[row], log.at[row], half_life_days));
    }
    Trends::new(by_item, half_life_days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use reco_core::catalog::ItemRecord;
    use reco_core::event::Action;
    use reco_core::id::ItemId;
    use reco_core::time::Timestamp;

    #[test]
    fn users_count_once_and_only_lately() {
        let mut builder = Catalog::builder();
        for key in ["old", "milk", "tea"] {
            builder.push(ItemRecord { category: Some("food".into()), ..ItemRecord::new(key) }).unwrap();
        }
        let catalog = builder.build();
        let mut log = InteractionLog::default();
        let users = ["ann", "bob", "cid"].map(|name| log.users.intern(name));
        let mut buy = |user: usize, item, day: i64| {
            log.push(
                users[user],
                ItemId::new(item),
                &Action::Purchase,
                None,
                Timestamp::from_secs(day * 86_400),
            );
        };
        (0..3).for_each(|user| buy(user, 0, 1));
        (0..9).for_each(|day| buy(0, 1, 100 + day));
        (1..3).for_each(|user| buy(user, 2, 105));
        let weights = ActionWeights::default();
        let params = PopularParams { window_days: Some(Window::Days(30.0)) };
        let popularity = popularity(&log, &catalog, &weights, &params, &Silent).unwrap();
        assert_eq!(popularity.top(None), [2, 1, 0].map(ItemId::new), "what was popular once comes last");
        assert!(popularity.share(ItemId::new(0)) <= 0.0);
        assert_eq!(popularity.top(Some(0)), popularity.top(None));
        let trends = trends(&log, 3, &weights, 7.0);
        let at = Timestamp::from_secs(109 * 86_400);
        assert!(
            trends.of(ItemId::new(1)).at(at, 7.0) > trends.of(ItemId::new(2)).at(at, 7.0),
            "events count here"
        );
    }
}
