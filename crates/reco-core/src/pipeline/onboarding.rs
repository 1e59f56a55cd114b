//! What newcomers are asked, and what their answers become: ordinary events.

use super::Recommender;
use crate::event::{Action, Event, EventId, FieldProblem};
use crate::id::ItemId;
use crate::onboarding::{Answers, Choice, Survey};
use crate::retrieve::als::AlsModel;
use crate::retrieve::popular::Popularity;
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

impl Recommender {
    /// Categories that one user may choose.
    pub const MOST_CATEGORIES: usize = 20;

    /// Items that one user may rate at a time.
    pub const MOST_RATINGS: usize = 100;

    /// What newcomers are asked about a [`snapshot`](Self::snapshot): all categories that anybody took something of, and `n_samples` items to rate.
    ///
    /// The items are chosen one after the other: that of which it is most open whether somebody takes it, by the entropy
    /// of its share of the users (entropy0 of Rashid, Karypis & Riedl, "Learning Preferences of New Users in Recommender
    /// Systems", SIGKDD Explorations 2008), which is least like those chosen before by the factors of the models, and
    /// whose category was chosen least. The same snapshot gives the same items.
    pub fn survey(&self, snapshot: &Snapshot, n_samples: usize) -> Survey {
        let Some(popularity) = snapshot.models.get::<Popularity>(Popularity::NAME) else {
            return Survey { categories: Vec::new(), samples: Vec::new() };
        };
        let labels = snapshot.catalog.category();
        let mut categories: Vec<(u32, Choice)> = (0..labels.cardinality() as u32)
            .filter_map(|code| {
                let example = example(snapshot, popularity, code)?;
                let items = popularity.top(Some(code)).len();
                Some((
                    popularity.users(example),
                    Choice { category: labels.name(code).into(), items, example },
                ))
            })
            .collect();
        categories
            .sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.category.cmp(&other.1.category)));
        let categories = categories.into_iter().map(|(_, choice)| choice).collect();
        Survey { categories, samples: samples(snapshot, popularity, n_samples) }
    }

    /// The events that a newcomer's answers are: a rating of each rated item, and an interest in each chosen category, told
    /// by an item that stands for it. Later interests take the place of earlier ones.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the answers.
    pub fn answered(
        &self,
        answers: &Answers,
        mut id: impl FnMut() -> EventId,
        now: Timestamp,
    ) -> Result<Vec<Event>, Vec<FieldProblem>> {
        let snapshot = self.snapshot();
        let popularity = snapshot.models.get::<Popularity>(Popularity::NAME);
        let mut problems = Vec::new();
        let mut wrong =
            |field: String, problem: String| problems.push(FieldProblem { field: field.into(), problem });
        let n_categories = answers.categories.len();
        if !(1..=Self::MOST_CATEGORIES).contains(&n_categories) {
            wrong(
                "categories".into(),
                format!("names {n_categories}, must name 1 to {}", Self::MOST_CATEGORIES),
            );
        }
        if answers.ratings.len() > Self::MOST_RATINGS {
            let n_ratings = answers.ratings.len();
            wrong("ratings".into(), format!("holds {n_ratings}, must hold at most {}", Self::MOST_RATINGS));
        }
        let mut events = Vec::new();
        let mut event = |item: ItemId, action: Action, value: Option<f32>| {
            events.push(Event {
                id: id(),
                user: answers.user.clone(),
                item: snapshot.catalog.key(item).clone(),
                action,
                value,
                at: now,
                details: None,
            });
        };
        let labels = snapshot.catalog.category();
        for (number, name) in answers.categories.iter().enumerate() {
            let field = || format!("categories[{number}]");
            if answers.categories[..number].contains(name) {
                wrong(field(), format!("`{name}` is named twice"));
                continue;
            }
            let code = labels.find(name);
            let stands =
                code.zip(popularity).and_then(|(code, popularity)| example(&snapshot, popularity, code));
            match (code, stands) {
                (None, _) => wrong(field(), format!("`{name}` is not a category of the catalogue")),
                (_, None) => wrong(field(), format!("nobody took anything of `{name}` yet")),
                (_, Some(item)) => event(item, Action::Interest, None),
            }
        }
        for (number, (key, rating)) in answers.ratings.iter().enumerate() {
            if !rating.is_finite() || *rating < 0.0 {
                wrong(
                    format!("ratings[{number}].rating"),
                    format!("is {rating}, must be a number not below 0"),
                );
            }
            match snapshot.catalog.id(key.as_str()) {
                Some(item) => event(item, Action::Rating, Some(*rating)),
                None => {
                    wrong(format!("ratings[{number}].item_id"), format!("`{key}` is not in the catalogue"))
                }
            }
        }
        let of_user = events.first().map(|event| event.problems(now)).unwrap_or_default();
        problems.extend(of_user.into_iter().filter(|wrong| wrong.field == "user_id"));
        if problems.is_empty() { Ok(events) } else { Err(problems) }
    }
}

/// The most popular item of a category that can be had.
fn example(snapshot: &Snapshot, popularity: &Popularity, category: u32) -> Option<ItemId> {
    let list = popularity.top(Some(category));
    list.iter().copied().find(|&id| snapshot.catalog.is_active(id)).or_else(|| list.first().copied())
}

/// Popular items that are looked at for samples.
const LOOKED_AT: usize = 400;

fn samples(snapshot: &Snapshot, popularity: &Popularity, n: usize) -> Vec<ItemId> {
    let catalog = &snapshot.catalog;
    let items: Vec<ItemId> =
        popularity.top(None).iter().copied().filter(|&id| catalog.is_active(id)).collect();
    let items = &items[..items.len().min(LOOKED_AT)];
    let n_users = snapshot.users.len().max(1) as f64;
    let openness: Vec<f64> =
        items.iter().map(|&id| entropy((f64::from(popularity.users(id)) / n_users).min(1.0))).collect();
    let factors = snapshot.models.get::<AlsModel>(AlsModel::NAME).map(|model| &model.items);
    let alike = |one: ItemId, other: ItemId| {
        let rows = factors.filter(|rows| one.index().max(other.index()) < rows.n_rows());
        rows.map_or(0.0, |rows| cosine(rows.row(one.index()), rows.row(other.index())))
    };
    let mut crowding = vec![0.0f64; items.len()];
    let mut of_category: Vec<u32> = vec![0; catalog.category().cardinality()];
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < n.min(items.len()) {
        let worth = |at: usize| {
            let category = catalog.category().code(items[at]);
            let before = category.map_or(0, |code| of_category[code as usize]);
            openness[at] * (1.0 - crowding[at]) / f64::from(1 + before)
        };
        let left = (0..items.len()).filter(|at| !chosen.contains(at));
        let Some(best) =
            left.max_by(|&one, &other| worth(one).total_cmp(&worth(other)).then(other.cmp(&one)))
        else {
            break;
        };
        if let Some(code) = catalog.category().code(items[best]) {
            of_category[code as usize] += 1;
        }
        for (crowd, &item) in crowding.iter_mut().zip(items) {
            *crowd = crowd.max(alike(item, items[best])).clamp(0.0, 1.0);
        }
        chosen.push(best);
    }
    chosen.into_iter().map(|at| items[at]).collect()
}

/// Of whether something that happens with this probability does.
fn entropy(share: f64) -> f64 {
    [share, 1.0 - share].into_iter().filter(|share| *share > 0.0).map(|share| -share * share.ln()).sum()
}

fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| f64::from(crate::linalg::dot(a, b));
    let length = (dot(one, one) * dot(other, other)).sqrt();
    if length > 0.0 { dot(one, other) / length } else { 0.0 }
}
