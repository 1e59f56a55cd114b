//! Reasons as sentences for people.

use crate::catalog::Catalog;
use crate::page::{Evidence, SourceReason, Why, WhyNotReason};
use crate::retrieve::again::AgainGenerator;
use crate::retrieve::als::AlsModel;
use crate::retrieve::autoencoder::AutoencoderModel;
use crate::retrieve::bpr::BprModel;
use crate::retrieve::neighbors::Neighbors;
use crate::retrieve::popular::Popularity;
use crate::retrieve::spectral::SpectralModel;
use crate::retrieve::trending::Trends;
use crate::retrieve::two_tower::TwoTowerModel;

/// Moves of fewer places are not worth a sentence.
const NOTABLE_MOVE: u32 = 2;

/// Why an item is on the page, most telling sentence first; at least one.
pub fn reasons(why: &Why, catalog: &Catalog) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for vote in &why.sources {
        let of_source: Vec<&Evidence> =
            why.because.iter().filter(|evidence| evidence.source == vote.source).collect();
        let sentence = sentence(vote, &of_source, catalog);
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    for step in
        why.moves.iter().filter(|step| step.from.abs_diff(step.to) >= NOTABLE_MOVE && step.to < step.from)
    {
        let places = step.from - step.to;
        sentences.push(format!("Moved up {places} places: {}", step.rule.replace('_', " ")));
    }
    if sentences.is_empty() {
        sentences.push("Popular with others".to_owned());
    }
    sentences
}

fn sentence(vote: &SourceReason, because: &[&Evidence], catalog: &Catalog) -> String {
    let mut titles: Vec<&str> = Vec::new();
    for id in because.iter().take(2).filter_map(|evidence| catalog.id(evidence.item.as_str())) {
        // Several items of a catalogue may have one title.
        if !titles.contains(&catalog.title(id)) {
            titles.push(catalog.title(id));
        }
    }
    let own = titles.join(" and ");
    match (&*vote.source, own.is_empty()) {
        (AgainGenerator::NAME, _) => "You chose this before".to_owned(),
        (AlsModel::NAME | BprModel::NAME, false) => format!("Fits your taste, above all {own}"),
        (AlsModel::NAME | BprModel::NAME, true) => "Fits your taste".to_owned(),
        (Neighbors::BY_USERS, false) => format!("Often chosen together with {own}"),
        (Neighbors::BY_REGRESSION, false) => format!("Goes with {own}"),
        (Neighbors::BY_SEQUENCE, false) => format!("Often chosen after {own}"),
        (SpectralModel::NAME | AutoencoderModel::NAME | TwoTowerModel::NAME, false) => {
            format!("Liked by people who chose {own}")
        }
        (Neighbors::BY_CONTENT, false) => format!("Similar to {own}"),
        (Neighbors::BY_VECTOR, false) => format!("Liked by the same people as {own}"),
        (Popularity::NAME, _) => "Popular with others".to_owned(),
        (Trends::NAME, _) => "Trending now".to_owned(),
        (SourceReason::EXPLORED, _) => "Shown to learn about it".to_owned(),
        (SourceReason::NEW, _) => "New here".to_owned(),
        (SourceReason::FILLER, _) if vote.score > 0.0 => "Popular with others, to fill the page".to_owned(),
        (SourceReason::FILLER, _) => "From the catalogue, to fill the page".to_owned(),
        ("pinned", _) => "Placed here by the shop".to_owned(),
        ("lists" | "redis_lists", _) => "Picked for you ahead of time".to_owned(),
        (other, false) => format!("Suggested by {other} because of {own}"),
        (other, true) => format!("Suggested by {other}"),
    }
}

/// Why an item is not on the page.
pub fn why_not_sentence(reason: &WhyNotReason) -> String {
    match reason {
        WhyNotReason::UnknownItem => "the catalogue does not have it".to_owned(),
        WhyNotReason::Shown { rank } => format!("it is on the page, in place {rank}"),
        WhyNotReason::NeverProposed => "no generator proposed it".to_owned(),
        WhyNotReason::Filtered { because, .. } => format!("it {because}"),
        WhyNotReason::Removed { rule, rank } => {
            format!("it was in place {rank} until the rule {rule} took it out")
        }
        WhyNotReason::Outranked { rank, score, needed } => {
            format!("it came in place {rank} with a score of {score:.3}; the last one shown has {needed:.3}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ItemRecord;
    use crate::page::Move;

    #[test]
    fn reasons_name_the_users_own_items() {
        let mut builder = Catalog::builder();
        for key in ["tea", "tea, 2 lb"] {
            builder.push(ItemRecord { title: Some("Green tea".into()), ..ItemRecord::new(key) }).unwrap();
        }
        let catalog = builder.build();
        let vote = |source: &str, rank| SourceReason { source: source.into(), rank, score: 1.0 };
        let rests_on = |item: &str| Evidence { source: "item_item".into(), item: item.into(), share: 0.5 };
        let why = Why {
            sources: vec![vote("item_item", 1), vote("mine", 4)],
            because: vec![rests_on("tea"), rests_on("tea, 2 lb")],
            moves: vec![
                Move { rule: "trending_boost".into(), from: 7, to: 2 },
                Move { rule: "mmr".into(), from: 2, to: 3 },
            ],
        };
        let sentences = reasons(&why, &catalog);
        assert_eq!(
            sentences,
            [
                "Often chosen together with Green tea",
                "Suggested by mine",
                "Moved up 5 places: trending boost"
            ]
        );
        assert_eq!(reasons(&Why::default(), &catalog).len(), 1, "never without a reason");
    }
}
