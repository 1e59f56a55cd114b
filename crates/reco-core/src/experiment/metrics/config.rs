//! What experiments are judged by, as configuration.

use crate::event::Action;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A number per arm that experiments are judged by. The unit is the user (or the session, of an experiment that divides those):
/// what somebody does after being exposed counts for the variant that they were exposed to.
///
/// ```
/// use reco_core::experiment::MetricConfig;
///
/// let revenue: MetricConfig = serde_json::from_str(
///     r#"{"kind": "mean", "of": "purchase", "values": true, "winsorize": 0.99, "cuped_days": 14}"#,
/// )?;
/// assert!(revenue.problems().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricConfig {
    /// How one number is made of many.
    pub kind: MetricKind,
    /// What is counted: events of an action, or by `served.latency` and `served.fallback` what exposures tell of answers.
    pub of: Measured,
    /// Whether the values of events are added up instead of the events: amounts of purchases, say.
    pub values: bool,
    /// What a `ratio` divides by: events of this action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<Action>,
    /// Which `quantile`, between 0 and 1.
    pub quantile: f64,
    /// Days after the first exposure in which events count, above 0.
    pub within_days: f64,
    /// Values of users above this quantile of all users' count as that; 1 leaves them as they are.
    pub winsorize: f64,
    /// Days before the first exposure whose events foretell those after it (CUPED); 0 for none.
    pub cuped_days: u32,
    /// Which way is better.
    pub better: Better,
    /// The most that it may get worse, as a share of the control's: a guard-rail. None for a metric that guards nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<f64>,
}

/// How one number is made of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// The share of users with at least one.
    #[default]
    Share,
    /// The mean per user.
    Mean,
    /// All of them by all of `per`.
    Ratio,
    /// A quantile of what was measured, each time.
    Quantile,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More.
    #[default]
    Higher,
    /// Less.
    Lower,
}

/// What a metric counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Measured {
    /// Events of an action.
    Events(Action),
    /// Milliseconds that answers took to make, as exposures tell.
    Latency,
    /// Answers that were not the best possible, as exposures tell.
    Fallback,
}

const LATENCY: &str = "served.latency";
const FALLBACK: &str = "served.fallback";

impl From<String> for Measured {
    fn from(name: String) -> Self {
        match &*name {
            LATENCY => Self::Latency,
            FALLBACK => Self::Fallback,
            action => Self::Events(action.into()),
        }
    }
}

impl From<Measured> for String {
    fn from(measured: Measured) -> Self {
        match measured {
            Measured::Events(action) => action.name().to_owned(),
            Measured::Latency => LATENCY.to_owned(),
            Measured::Fallback => FALLBACK.to_owned(),
        }
    }
}

impl Default for MetricConfig {
    fn default() -> Self {
        Self {
            kind: MetricKind::default(),
            of: Measured::Events(Action::Click),
            values: false,
            per: None,
            quantile: 0.95,
            within_days: 7.0,
            winsorize: 1.0,
            cuped_days: 0,
            better: Better::default(),
            guard: None,
        }
    }
}

impl MetricConfig {
    /// The usual ones: click-through rate, conversion, revenue per user, engagement, and as guard-rails latency (its 95th
    /// percentile by a tenth) and the share of answers that were not the best possible (by a tenth).
    pub fn usual() -> BTreeMap<String, Self> {
        let events = |action| Self { of: Measured::Events(action), ..Self::default() };
        let metrics = [
            ("ctr", Self { kind: MetricKind::Ratio, per: Some(Action::Impression), ..events(Action::Click) }),
            ("conversion", events(Action::Purchase)),
            (
                "revenue",
                Self {
                    kind: MetricKind::Mean,
                    values: true,
                    winsorize: 0.99,
                    cuped_days: 14,
                    guard: Some(0.05),
                    ..events(Action::Purchase)
                },
            ),
            ("engagement", Self { kind: MetricKind::Mean, cuped_days: 14, ..events(Action::Click) }),
            (
                "latency_p95",
                Self {
                    kind: MetricKind::Quantile,
                    of: Measured::Latency,
                    better: Better::Lower,
                    guard: Some(0.1),
                    ..Self::default()
                },
            ),
            (
                "fallback",
                Self {
                    kind: MetricKind::Mean,
                    of: Measured::Fallback,
                    better: Better::Lower,
                    guard: Some(0.1),
                    ..Self::default()
                },
            ),
        ];
        metrics.into_iter().map(|(name, metric)| (name.to_owned(), metric)).collect()
    }

    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, problem: String| problems.extend((!fine).then_some(problem));
        let Self { kind, of, per, quantile, within_days, winsorize, cuped_days, guard, .. } = self;
        check(
            (*kind == MetricKind::Ratio) == per.is_some(),
            "per must be given for a ratio, and for nothing else".to_owned(),
        );
        check(
            *kind != MetricKind::Ratio || matches!(of, Measured::Events(_)),
            "of must be an action for a ratio".to_owned(),
        );
        check(
            *kind != MetricKind::Quantile || *of == Measured::Latency,
            format!("of must be {LATENCY} for a quantile"),
        );
        check(
            *kind == MetricKind::Quantile || *of != Measured::Latency,
            format!("of is {LATENCY}, whose kind must be a quantile"),
        );
        check(*quantile > 0.0 && *quantile < 1.0, format!("quantile is {quantile}, must be between 0 and 1"));
        check(
            *within_days > 0.0 && within_days.is_finite(),
            format!("within_days is {within_days}, must be above 0"),
        );
        check(
            *winsorize > 0.0 && *winsorize <= 1.0,
            format!("winsorize is {winsorize}, must be above 0 and at most 1"),
        );
        check(
            *winsorize >= 1.0 || *kind == MetricKind::Mean,
            "winsorize has no use but for a mean".to_owned(),
        );
        check(
            *cuped_days == 0 || (*kind == MetricKind::Mean && matches!(of, Measured::Events(_))),
            "cuped_days has no use but for a mean of events".to_owned(),
        );
        check(
            *cuped_days <= Self::MOST_DAYS_BEFORE,
            format!("cuped_days is {cuped_days}, must be at most {}", Self::MOST_DAYS_BEFORE),
        );
        if let Some(share) = guard {
            check(*share >= 0.0 && share.is_finite(), format!("guard is {share}, must be at least 0"));
        }
        problems
    }

    /// Most days before an exposure that are remembered.
    pub const MOST_DAYS_BEFORE: u32 = 28;

    /// What an event adds to what is counted, and to what it is divided by.
    pub(super) fn added(&self, action: &Action, value: Option<f32>) -> (f64, f64) {
        let is_counted = matches!(&self.of, Measured::Events(of) if of == action);
        let one = if self.values { value.map_or(0.0, f64::from) } else { 1.0 };
        let divided = self.per.as_ref() == Some(action);
        (if is_counted { one } else { 0.0 }, if divided { 1.0 } else { 0.0 })
    }
}
