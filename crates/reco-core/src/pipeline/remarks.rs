//! Settings that do nothing over a snapshot.

use super::{PipelineConfig, RankerName};
use crate::catalog::Catalog;
use crate::filter::SeenPolicy;
use crate::id::ItemId;
use crate::rank::trees::Boosted;
use crate::rank::{BlendModels, WideDeep};
use crate::retrieve::again::AgainGenerator;
use crate::snapshot::Snapshot;

/// Whether a snapshot has a model of that name.
fn has(snapshot: &Snapshot, model: &str) -> bool {
    snapshot.models.names().any(|known| **known == *model)
}

/// Whether an item has an attribute.
type Known = fn(&Catalog, ItemId) -> bool;

impl PipelineConfig {
    /// What is asked for in vain over this snapshot, one line each with the path of the field: pins of items
    /// that are not there, rules on attributes that no item has, sources without a model. None of it keeps a
    /// page from being served, since the next snapshot may well have what is missing.
    pub fn remarks(&self, snapshot: &Snapshot) -> Vec<String> {
        let catalog = &snapshot.catalog;
        let mut remarks: Vec<String> = Vec::new();
        for (name, source) in &self.sources {
            let is_used = source.quota > 0 || source.on.values().any(|quota| *quota > 0);
            if is_used && *name != AgainGenerator::NAME && !has(snapshot, name) {
                remarks.push(format!("sources.{name} proposes nothing: the snapshot has no such model"));
            }
        }
        for name in self.votes.sources.keys().filter(|name| !self.sources.contains_key(*name)) {
            remarks.push(format!("votes.sources.{name} weighs nothing: there is no such source"));
        }
        if let Some(only) = &self.only {
            remarks.extend(only.remarks(catalog).into_iter().map(|remark| format!("only: {remark}")));
        }
        for pin in self.rerank.pins.iter().filter(|pin| catalog.id(&pin.item).is_none()) {
            remarks.push(format!("rerank.pins: `{}` is not in the catalogue and is not shown", pin.item));
        }
        remarks.extend(self.idle_ranker(snapshot));
        if self.quantized && self.ranker != RankerName::WideDeep {
            remarks.push("quantized changes nothing: only `wide_deep` is computed in bytes".to_owned());
        }
        remarks.extend(self.idle_rules(catalog));
        remarks
    }

    /// What orders pages over this snapshot: `file`, `wide_deep`, `boosted`, `blend` or `votes`, whichever is the first
    /// that is asked for and there. A network that foresees more than `take` says what, as `wide_deep (click, purchase)`.
    pub fn ranked_by(&self, snapshot: &Snapshot) -> String {
        if let RankerName::File(_) = self.ranker {
            return "file".to_owned();
        }
        let network = snapshot.models.get::<WideDeep>(WideDeep::NAME);
        if let (RankerName::WideDeep, Some(network)) = (&self.ranker, network) {
            let foreseen: Vec<&str> =
                network.weights().heads.iter().map(|head| head.objective.as_str()).collect();
            return match foreseen[..] {
                [_] => WideDeep::NAME.to_owned(),
                _ => format!("{} ({})", WideDeep::NAME, foreseen.join(", ")),
            };
        }
        if self.ranker == RankerName::Boosted && has(snapshot, Boosted::NAME) {
            return Boosted::NAME.to_owned();
        }
        match snapshot.models.get::<BlendModels>(BlendModels::NAME) {
            Some(blends) if self.ranker != RankerName::Votes && self.orders_repeats(blends) => {
                BlendModels::NAME
            }
            Some(_) if self.ranker != RankerName::Votes => "blend, votes where something comes again",
            _ => "votes",
        }
        .to_owned()
    }

    /// Whether the blend knows how to order what may come again.
    fn orders_repeats(&self, blends: &BlendModels) -> bool {
        self.seen == SeenPolicy::Always || blends.regulars.with_repeats.is_some()
    }

    /// The learned ranker where nothing was learned for this pipeline.
    fn idle_ranker(&self, snapshot: &Snapshot) -> Option<String> {
        if let Some(model) = self.ranker.model() {
            return (!has(snapshot, model)).then(|| {
                format!(
                    "ranker is `{model}`, but the snapshot has none (train.{model} is off, or there is too little to \
                     learn it from): the blend orders the pages"
                )
            });
        }
        if self.ranker != RankerName::Blend {
            return None;
        }
        match snapshot.models.get::<BlendModels>(BlendModels::NAME) {
            None => Some(
                "ranker is `blend`, but the snapshot has none (train.blend is off, or there is too little to learn \
                 it from): votes order the pages"
                    .to_owned(),
            ),
            Some(blends) if !self.orders_repeats(blends) => Some(
                "ranker is `blend`, but the snapshot's was learned where nothing came again: votes order pages where \
                 something does"
                    .to_owned(),
            ),
            Some(_) => None,
        }
    }

    /// Rules on attributes that no item has.
    fn idle_rules<'a>(&self, catalog: &'a Catalog) -> impl Iterator<Item = String> + use<'a> {
        let rules = &self.rerank;
        let rules: [(bool, &str, &str, Known); 3] = [
            (rules.low_margin_below.is_some(), "low_margin_below", "margin", |of, id| {
                of.margin(id).is_some()
            }),
            (rules.freshness_gain.is_some(), "freshness_gain", "created_at", |of, id| {
                of.created_at(id).is_some()
            }),
            (rules.per_brand.is_some(), "per_brand", "brand", |of, id| of.brand().code(id).is_some()),
        ];
        let idle = |&(is_on, _, _, is_known): &(bool, &str, &str, Known)| {
            is_on && !catalog.ids().any(|id| is_known(catalog, id))
        };
        rules
            .into_iter()
            .filter(idle)
            .map(|(_, rule, attribute, _)| format!("rerank.{rule} does nothing: no item has a {attribute}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, ItemRecord};
    use crate::rank::{BlendModel, Blends};
    use crate::rerank::Pin;

    #[test]
    fn what_does_nothing_is_named() {
        let mut config = PipelineConfig::default();
        config.sources.values_mut().for_each(|source| source.on.clear());
        config.sources.retain(|name, _| ["again", "als"].contains(&name.as_str()));
        config.rerank.pins =
            ["tea", "rum"].map(|item| Pin { place: 1, item: item.into(), surface: None }).into();
        config.votes.sources = [("alss".to_owned(), 1.0)].into();
        config.rerank.low_margin_below = Some(0.1);
        config.quantized = true;
        config.rerank.per_brand = Some(2);
        config.only = Some("category = \"Drink\"".parse().unwrap());
        let mut catalog = Catalog::builder();
        let tea =
            ItemRecord { brand: Some("x".into()), category: Some("Drinks".into()), ..ItemRecord::new("tea") };
        catalog.push(tea).unwrap();
        let snapshot = Snapshot { catalog: catalog.build(), ..Snapshot::default() };
        assert_eq!(
            config.remarks(&snapshot),
            [
                "sources.als proposes nothing: the snapshot has no such model",
                "votes.sources.alss weighs nothing: there is no such source",
                "only: no item has the category `Drink`; did you mean `Drinks`?",
                "rerank.pins: `rum` is not in the catalogue and is not shown",
                "ranker is `blend`, but the snapshot has none (train.blend is off, or there is too little to learn it \
                 from): votes order the pages",
                "quantized changes nothing: only `wide_deep` is computed in bytes",
                "rerank.low_margin_below does nothing: no item has a margin",
            ]
        );
    }

    #[test]
    fn what_orders_pages_is_what_is_asked_for_and_there() {
        let blends = |with_repeats: Option<BlendModel>| {
            let regulars = Blends { with_repeats, all_new: Some(BlendModel::default()) };
            BlendModels { regulars, ..BlendModels::default() }
        };
        let config = |ranker, seen| PipelineConfig { seen, ranker, ..PipelineConfig::default() };
        let (never, always) = (SeenPolicy::Never, SeenPolicy::Always);
        for (ranker, seen, blend, said) in [
            (RankerName::Blend, never, None, "votes"),
            (RankerName::WideDeep, never, None, "votes"),
            (RankerName::Boosted, never, None, "votes"),
            (RankerName::WideDeep, never, Some(blends(Some(BlendModel::default()))), "blend"),
            (RankerName::Blend, never, Some(blends(None)), "blend, votes where something comes again"),
            (RankerName::Blend, always, Some(blends(None)), "blend"),
            (RankerName::Votes, never, Some(blends(None)), "votes"),
            (RankerName::File("model.txt".into()), never, Some(blends(None)), "file"),
        ] {
            let mut snapshot = Snapshot::default();
            if let Some(blend) = blend {
                snapshot.models.insert(BlendModels::NAME, blend);
            }
            assert_eq!(config(ranker.clone(), seen).ranked_by(&snapshot), said, "{ranker:?}");
        }
    }
}
