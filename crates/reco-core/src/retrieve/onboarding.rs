//! What users who are new may be shown beside the usual: what is popular in categories they chose, and what explores.

use super::popular::Popularity;
use super::{CandidateGenerator, Support};
use crate::candidate::Hits;
use crate::error::Fault;
use crate::id::ItemId;
use crate::onboarding::{OnboardingConfig, drawn};
use crate::query::Query;
use rustc_hash::{FxHashMap, FxHashSet};

/// Proposes what is popular in the categories that a new user chose, in turn.
#[derive(Clone, Debug)]
pub struct InterestsGenerator(pub OnboardingConfig);

impl CandidateGenerator for InterestsGenerator {
    fn name(&self) -> &'static str {
        OnboardingConfig::INTERESTS
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let model = query.snapshot.models.get::<Popularity>(Popularity::NAME);
        let Some(model) = model.filter(|_| self.0.applies(query)) else { return Ok(()) };
        let items = model.in_turn(&query.interests());
        items.take(limit).for_each(|id| out.push(id, model.share(id)));
        Ok(())
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {
        // Rests on what the user chose, which is no item.
    }
}

/// Proposes to a new user what is not popular, of many categories, brands and prices.
///
/// Categories come in turn, each once before one comes again. Of a category it is one of the most popular items that are
/// not of the head of the catalogue, drawn in proportion to its popularity, which is what speaks for an item where
/// nothing is known of the user, and halved for every item of its brand or range of prices that was drawn before.
#[derive(Clone, Debug)]
pub struct ExploreGenerator(pub OnboardingConfig);

impl ExploreGenerator {
    /// Items of a category to draw from.
    const WINDOW: usize = 30;
    /// Ranges of prices: cheap, middling, dear.
    const PRICES: usize = 3;
}

impl CandidateGenerator for ExploreGenerator {
    fn name(&self) -> &'static str {
        OnboardingConfig::EXPLORE
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let model = query.snapshot.models.get::<Popularity>(Popularity::NAME);
        let Some(model) = model.filter(|_| self.0.applies(query) && self.0.explored(query) > 0.0) else {
            return Ok(());
        };
        let catalog = &query.snapshot.catalog;
        let overall = model.top(None);
        let n_head = (overall.len() as f64 * self.0.head).ceil() as usize;
        let head: FxHashSet<ItemId> = overall.iter().take(n_head).copied().collect();
        let prices = ranges(overall.iter().filter_map(|&id| catalog.price(id)).collect());
        let range =
            |id: ItemId| catalog.price(id).map(|price| prices.iter().filter(|from| price >= **from).count());
        // What is drawn of a category may be far down its list; what nobody can have is not drawn.
        let may_be_shown = |id: &ItemId| {
            !head.contains(id) && catalog.is_active(*id) && catalog.stock(*id).is_none_or(|stock| stock > 0.0)
        };
        let mut categories: Vec<Vec<ItemId>> = (0..catalog.category().cardinality() as u32)
            .map(|code| model.top(Some(code)))
            .map(|list| list.iter().filter(|id| may_be_shown(id)).take(Self::WINDOW).copied().collect())
            .collect();
        if categories.is_empty() {
            categories.push(overall.iter().filter(|id| may_be_shown(id)).take(limit).copied().collect());
        }
        categories.retain(|list| !list.is_empty());
        // An exponential race: the smallest of -ln(u) / w is drawn in proportion to w (Efraimidis & Spirakis, 2006).
        let race = |id: ItemId, weight: f64| -drawn(query, id).max(1e-300).ln() / weight.max(1e-9);
        let worth = |list: &Vec<ItemId>| list.iter().map(|&id| f64::from(model.share(id))).sum::<f64>();
        categories.sort_by(|one, other| {
            race(one[0], worth(one)).total_cmp(&race(other[0], worth(other))).then(one[0].cmp(&other[0]))
        });
        let mut brands: FxHashMap<u32, i32> = FxHashMap::default();
        let mut of_range = [0i32; Self::PRICES];
        let mut turn = 0;
        // What the user chose comes to the page as what is popular there.
        let interests = query.interests();
        let is_chosen = |list: &Vec<ItemId>| {
            catalog.category().code(list[0]).is_some_and(|code| interests.contains(&code))
        };
        categories.sort_by_key(is_chosen);
        // Few categories take turns; where there are many, as many as are asked for, and then others.
        while out.len() < limit && !categories.is_empty() {
            let list = &mut categories[turn];
            let weight = |id: ItemId| {
                let of_brand = catalog.brand().code(id).and_then(|brand| brands.get(&brand)).copied();
                let of_price = range(id).map_or(0, |range| of_range[range]);
                f64::from(model.share(id)) * 0.5f64.powi(of_brand.unwrap_or(0) + of_price)
            };
            let best = (0..list.len()).min_by(|&one, &other| {
                let [one, other] = [list[one], list[other]];
                race(one, weight(one)).total_cmp(&race(other, weight(other))).then(one.cmp(&other))
            });
            let Some(id) = best.map(|best| list.swap_remove(best)) else {
                categories.remove(turn);
                turn = if turn < categories.len() { turn } else { 0 };
                continue;
            };
            out.push(id, model.share(id));
            if let Some(brand) = catalog.brand().code(id) {
                *brands.entry(brand).or_default() += 1;
            }
            if let Some(range) = range(id) {
                of_range[range] += 1;
            }
            let in_turn = categories.len().min(self.0.categories.max(1));
            turn = if turn + 1 < in_turn { turn + 1 } else { 0 };
        }
        Ok(())
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {
        // Rests on nothing that is known of the user.
    }
}

/// Where the second and the third range of prices begin.
fn ranges(mut prices: Vec<f32>) -> [f32; ExploreGenerator::PRICES - 1] {
    if prices.is_empty() {
        return [f32::INFINITY; ExploreGenerator::PRICES - 1];
    }
    std::array::from_fn(|range| {
        let at = ((range + 1) * prices.len() / ExploreGenerator::PRICES).min(prices.len() - 1);
        *prices.select_nth_unstable_by(at, f32::total_cmp).1
    })
}
