//! Features of how the item fits the user.

use super::context::flag;
use super::feature::declared;
use super::profile::{Habits, Profile};
use super::{Block, Feature, FeatureGroup, FeatureKind, ItemTable, MISSING};
use crate::candidate::Candidates;
use crate::catalog::Labels;
use crate::error::Fault;
use crate::id::ItemId;
use crate::linalg::dot;
use crate::query::Query;
use crate::retrieve::als::{AlsModel, user_vector};
use crate::retrieve::neighbors::Neighbors;
use crate::snapshot::Snapshot;
use rustc_hash::FxHashMap;
use std::sync::{Arc, LazyLock};

/// The user's habits beside the item's attributes, and what the models see between the item and the user's
/// latest ones.
#[derive(Debug)]
pub(super) struct Affinity;

const FEATURES: [(&str, &str); 24] = [
    ("category_share", "share of the user's events in the item's category"),
    ("category_late_share", "share of their latest items in it"),
    (
        "category_days_since",
        "days since they took something of it, as ln(1 + n); missing where they never did",
    ),
    ("is_last_category", "1 for the category of the user's latest item, else 0"),
    ("subcategory_share", "share of the user's events in the item's subcategory"),
    ("subcategory_days_since", "days since they took something of it, likewise"),
    ("brand_share", "share of the user's events with the item's brand"),
    ("brand_late_share", "share of their latest items with it"),
    ("brand_days_since", "days since they took something of it, likewise"),
    ("tag_overlap", "mean share of the user's items that bear each of the item's tags"),
    ("price_deviations", "standard deviations by which ln(1 + price) lies above the user's mean"),
    ("price_difference", "ln(1 + price) less the user's mean"),
    ("mainstream_difference", "ln(1 + users) of the item less the mean of what the user took"),
    ("factor_product", "inner product of the factors of user and item (`als`)"),
    ("factor_cosine", "cosine of the same"),
    ("together_last", "how often users took the item together with the user's latest one (`item_item`)"),
    ("together_most", "the most of that over their latest items"),
    ("together_sum", "the sum of it over them"),
    ("follows_last", "how often the item follows the user's latest one (`sequence`)"),
    ("follows_sum", "the sum of that over their latest items, each place counting less"),
    ("text_last", "similarity of texts and attributes to the user's latest item (`content`)"),
    ("text_most", "the most of that over their latest items"),
    ("text_sum", "the sum of it over them"),
    ("regression_sum", "the sum of the weights by regression from their latest items (`ease`)"),
];

impl FeatureGroup for Affinity {
    fn name(&self) -> &'static str {
        "affinity"
    }

    fn features(&self, _: &Snapshot, _: &[Arc<str>]) -> Vec<Feature> {
        static DECLARED: LazyLock<Vec<Feature>> = LazyLock::new(|| declared(FeatureKind::Cross, &FEATURES));
        DECLARED.clone()
    }

    fn fill(&self, query: &Query, set: &Candidates, block: &mut Block<'_>) -> Result<(), Fault> {
        let profile = query.memo(Profile::new);
        let mut rows: Vec<&mut [f32]> = block.rows().collect();
        of_attributes(query, &profile, set, &mut rows);
        of_numbers(query, &profile, set, &mut rows);
        of_factors(query, set, &mut rows);
        of_neighbors(query, set, &mut rows);
        Ok(())
    }
}

/// Columns 0 to 9.
fn of_attributes(query: &Query, profile: &Profile, set: &Candidates, rows: &mut [&mut [f32]]) {
    let catalog = &query.snapshot.catalog;
    let days_since = |habits: &Habits, labels: &Labels, id: ItemId| {
        habits
            .of(labels, id)
            .map_or(MISSING, |habit| (query.now.days_since(habit.last).max(0.0) as f32).ln_1p())
    };
    let last_category = query.anchors().first().and_then(|&id| catalog.category().code(id));
    for (row, &id) in rows.iter_mut().zip(set.ids()) {
        let shares = |habits: &Habits, labels: &Labels| {
            let habit = habits.of(labels, id);
            (habits.share(habit), habits.late_share(habit))
        };
        (row[0], row[1]) = shares(&profile.categories, catalog.category());
        row[2] = days_since(&profile.categories, catalog.category(), id);
        let category = catalog.category().code(id);
        row[3] = flag(category.is_some() && category == last_category);
        (row[4], _) = shares(&profile.subcategories, catalog.subcategory());
        row[5] = days_since(&profile.subcategories, catalog.subcategory(), id);
        (row[6], row[7]) = shares(&profile.brands, catalog.brand());
        row[8] = days_since(&profile.brands, catalog.brand(), id);
        let tags = catalog.tags().codes(id);
        if !tags.is_empty() {
            let share = |tag: &u32| profile.tags.get(tag).copied().unwrap_or(0.0);
            row[9] = tags.iter().map(share).sum::<f32>() / tags.len() as f32;
        }
    }
}

/// Columns 10 to 12.
fn of_numbers(query: &Query, profile: &Profile, set: &Candidates, rows: &mut [&mut [f32]]) {
    let catalog = &query.snapshot.catalog;
    let popularity = ItemTable::popularity(&query.snapshot);
    for (row, &id) in rows.iter_mut().zip(set.ids()) {
        let price = catalog.price(id).map(f32::ln_1p);
        let difference = |value: Option<f32>, mean: Option<f32>| Some(value? - mean?);
        row[10] = price.and_then(|price| profile.prices.deviations_of(price)).unwrap_or(MISSING);
        row[11] = difference(price, profile.prices.mean()).unwrap_or(MISSING);
        row[12] = difference(popularity(id), profile.popularity.mean()).unwrap_or(MISSING);
    }
}

/// Columns 13 and 14.
fn of_factors(query: &Query, set: &Candidates, rows: &mut [&mut [f32]]) {
    let Some(model) = query.snapshot.models.get::<AlsModel>(AlsModel::NAME) else { return };
    let Some(user) = user_vector(query, model) else { return };
    let length = dot(&user, &user).sqrt();
    for (row, &id) in rows.iter_mut().zip(set.ids()).filter(|(_, id)| id.index() < model.items.n_rows()) {
        let item = model.items.row(id.index());
        let product = dot(&user, item);
        let lengths = length * dot(item, item).sqrt();
        row[13] = product;
        row[14] = if lengths > 0.0 { product / lengths } else { MISSING };
    }
}

/// Columns 15 to 23: similarities to the user's latest items, 0 where there is none.
fn of_neighbors(query: &Query, set: &Candidates, rows: &mut [&mut [f32]]) {
    let place: FxHashMap<ItemId, usize> = set.ids().iter().zip(0..).map(|(&id, row)| (id, row)).collect();
    let mut each = |model: &'static str, tell: &dyn Fn(&mut [f32], usize, f32)| {
        let Some(neighbors) = query.snapshot.models.get::<Neighbors>(model) else { return };
        rows.iter_mut().for_each(|row| tell(row, 0, 0.0));
        for (latest, &own) in query.anchors().iter().enumerate() {
            for (near, similarity) in neighbors.of(own) {
                if let Some(&row) = place.get(&near) {
                    tell(rows[row], latest, similarity);
                }
            }
        }
    };
    each(Neighbors::BY_USERS, &|row, latest, similarity| last_most_sum(&mut row[15..18], latest, similarity));
    each(Neighbors::BY_SEQUENCE, &|row, latest, similarity| {
        let [last, sum] = &mut row[18..20] else { return };
        *last = known(*last) + if latest == 0 { similarity } else { 0.0 };
        *sum = known(*sum) + similarity * 0.8f32.powi(latest as i32);
    });
    each(Neighbors::BY_CONTENT, &|row, latest, similarity| {
        last_most_sum(&mut row[20..23], latest, similarity)
    });
    each(Neighbors::BY_REGRESSION, &|row, _, similarity| row[23] = known(row[23]) + similarity);
}

fn last_most_sum(cells: &mut [f32], latest: usize, similarity: f32) {
    let [last, most, sum] = cells else { return };
    *last = known(*last) + if latest == 0 { similarity } else { 0.0 };
    *most = known(*most).max(similarity);
    *sum = known(*sum) + similarity;
}

/// 0 in place of what is not known yet.
fn known(value: f32) -> f32 {
    if value.is_nan() { 0.0 } else { value }
}
