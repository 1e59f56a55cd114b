//! Which rules run, in which order.

use super::{
    BrandVariety, CategoryCap, FreshnessBoost, LowMargin, Mmr, Pin, Pinned, Reranker, SlotConfig, Slots,
    TrendingBoost, pins_first::PinsFirst,
};
use crate::error::OnFault;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The rules for the page as a whole; `false` in configuration switches one off. They run in the order of the fields: scores
/// are changed first, then variety is made, then the caps count, pinned items before all others, then what has a slot
/// takes it, and the pins are set last. A pinned item thus keeps its place against others of its kind; of pins beyond a cap
/// the later ones leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RerankConfig {
    /// Items with a margin below this share of the price leave.
    #[serde(with = "crate::switch")]
    pub low_margin_below: Option<f32>,
    /// What trends gains this share of its score (0.1 is +10 %); at least 0.
    #[serde(with = "crate::switch")]
    pub trending_gain: Option<f32>,
    /// How many of the strongest trends gain.
    pub trending_top: usize,
    /// What is new gains this share of its score; at least 0.
    #[serde(with = "crate::switch")]
    pub freshness_gain: Option<f32>,
    /// Days after which that gain has halved; above 0.
    pub freshness_half_life_days: f64,
    /// Relevance against variety, 0 to 1; 1 is relevance alone.
    #[serde(with = "crate::switch")]
    pub mmr_lambda: Option<f32>,
    /// At most so many items of a category; at least 1.
    #[serde(with = "crate::switch")]
    pub per_category: Option<usize>,
    /// At most so many items of a brand; at least 1.
    #[serde(with = "crate::switch")]
    pub per_brand: Option<usize>,
    /// Whether the two caps give way where a page would stay short otherwise.
    pub caps_yield: bool,
    /// Places that are kept for what is new and for what trends.
    #[serde(with = "crate::switch")]
    pub slots: Option<SlotConfig>,
    /// Items with a fixed place.
    pub pins: Vec<Pin>,
}

impl Default for RerankConfig {
    fn default() -> Self {
        Self {
            low_margin_below: None,
            trending_gain: Some(0.1),
            trending_top: 20,
            freshness_gain: None,
            freshness_half_life_days: 14.0,
            mmr_lambda: None,
            slots: Some(SlotConfig::default()),
            pins: Vec::new(),
            per_category: Some(3),
            per_brand: None,
            caps_yield: true,
        }
    }
}

impl RerankConfig {
    /// What is wrong with it, one line each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, name: &str, value: String, want: &str| {
            if !fine {
                problems.push(format!("{name} is {value}, must be {want}"));
            }
        };
        for (name, gain) in [("trending_gain", self.trending_gain), ("freshness_gain", self.freshness_gain)] {
            let gain = gain.unwrap_or(0.0);
            check(gain.is_finite() && gain >= 0.0, name, gain.to_string(), "at least 0");
        }
        let days = self.freshness_half_life_days;
        check(days.is_finite() && days > 0.0, "freshness_half_life_days", days.to_string(), "above 0");
        let lambda = self.mmr_lambda.unwrap_or(1.0);
        check((0.0..=1.0).contains(&lambda), "mmr_lambda", lambda.to_string(), "0 to 1");
        check(
            self.low_margin_below.unwrap_or(0.0).is_finite(),
            "low_margin_below",
            "not finite".to_owned(),
            "a number",
        );
        for (name, cap) in [("per_category", self.per_category), ("per_brand", self.per_brand)] {
            check(cap != Some(0), name, "0".to_owned(), "at least 1");
        }
        for (n, pin) in self.pins.iter().enumerate() {
            let path = |field: &str| format!("pins[{n}].{field} (item `{}`)", pin.item);
            check(pin.place > 0, &path("place"), "0".to_owned(), "at least 1");
            let known =
                pin.surface.as_deref().is_none_or(|name| ["home", "similar", "category"].contains(&name));
            let surface = pin.surface.clone().unwrap_or_default();
            check(known, &path("surface"), surface, "home, similar or category");
        }
        let of_slots = self.slots.iter().flat_map(SlotConfig::problems);
        problems.extend(of_slots.map(|line| format!("slots.{line}")));
        problems
    }

    /// The rules that are on, in the order they run. Caps and pins run even when time is up.
    pub fn build(&self) -> Vec<(Arc<dyn Reranker>, OnFault)> {
        let mut rules: Vec<(Arc<dyn Reranker>, OnFault)> = Vec::new();
        if let Some(below) = self.low_margin_below {
            rules.push((Arc::new(LowMargin { below }), OnFault::StepDown));
        }
        if let Some(gain) = self.trending_gain {
            rules.push((Arc::new(TrendingBoost { gain, top: self.trending_top }), OnFault::Skip));
        }
        if let Some(gain) = self.freshness_gain {
            let half_life_days = self.freshness_half_life_days;
            rules.push((Arc::new(FreshnessBoost { gain, half_life_days }), OnFault::Skip));
        }
        if let Some(lambda) = self.mmr_lambda {
            rules.push((Arc::new(Mmr { lambda }), OnFault::Skip));
        }
        let (pins, yields) = (Pinned::new(self.pins.clone()), self.caps_yield);
        if let Some(per_category) = self.per_category {
            rules.push((self.counting(CategoryCap { per_category, yields }, &pins), OnFault::StepDown));
        }
        if let Some(per_brand) = self.per_brand {
            rules.push((self.counting(BrandVariety { per_brand, yields }, &pins), OnFault::StepDown));
        }
        if let Some(slots) = self.slots {
            rules.push((Arc::new(Slots(slots)), OnFault::StepDown));
        }
        if !self.pins.is_empty() {
            rules.push((Arc::new(pins), OnFault::StepDown));
        }
        rules
    }

    /// A cap that counts the pinned items first, and those that are new.
    fn counting(&self, cap: impl Reranker, pins: &Pinned) -> Arc<dyn Reranker> {
        Arc::new(PinsFirst { rule: cap, pins: pins.clone(), slots: self.slots })
    }
}
