//! What a ranker learns to foresee.

use super::{FEWEST_LISTS, Sides};
use crate::evaluate::Metrics;
use crate::fit::FitError;
use crate::fit::examples::Examples;
use crate::progress::{Progress, remarked};
use reco_core::event::Action;
use std::collections::BTreeMap;

/// Something that users do with items, and how much it counts.
#[derive(Clone, Debug)]
pub(in crate::fit) struct Objective {
    pub(in crate::fit) name: String,
    /// Its share of all objectives; these sum to 1.
    pub(in crate::fit) share: f32,
    /// Whether it came true, row by row.
    pub(in crate::fit) came_true: Vec<bool>,
    /// For how many items it came true, proposed or not, list by list.
    pub(in crate::fit) n_relevant: Vec<usize>,
}

impl Objective {
    /// That the user takes the item, whatever they do that counts.
    const TAKE: &'static str = "take";

    /// Those that were asked for, with what they count, and of which enough lists tell; others are said to be left out,
    /// for the ranker fitted in `stage`. That anything is taken where none is asked for.
    pub(in crate::fit) fn all(
        examples: &Examples,
        asked: &BTreeMap<String, f32>,
        sides: &Sides,
        stage: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<Self>, FitError> {
        if asked.is_empty() {
            return Ok(vec![Self::take(examples, 1.0)]);
        }
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        for (name, &share) in asked {
            match Self::named(name, share, examples) {
                None => problems.push(unknown(name, examples)),
                Some(objective) => {
                    let of_side = [&sides.training, &sides.validation];
                    let [learns, judges] = of_side.map(|side| objective.n_lists(examples, side));
                    if learns.min(judges) >= FEWEST_LISTS {
                        all.push(objective);
                    } else {
                        remarked(progress, stage, &objective.why_left_out(learns, judges));
                    }
                }
            }
        }
        FitError::check("wide_deep", problems)?;
        let sum: f32 = all.iter().map(|objective| objective.share).sum();
        all.iter_mut().for_each(|objective| objective.share /= sum);
        Ok(all)
    }

    pub(in crate::fit) fn take(examples: &Examples, share: f32) -> Self {
        Self {
            name: Self::TAKE.to_owned(),
            share,
            came_true: examples.is_taken.clone(),
            n_relevant: examples.lists.iter().map(|list| list.n_taken).collect(),
        }
    }

    fn named(name: &str, share: f32, examples: &Examples) -> Option<Self> {
        if name == Self::TAKE {
            return Some(Self::take(examples, share));
        }
        let (action, n_actions) = (Action::from(name), examples.actions.len());
        let place = examples.actions.iter().position(|known| *known == action)?;
        Some(Self {
            name: action.name().to_owned(),
            share,
            came_true: examples.is_done.iter().skip(place).step_by(n_actions).copied().collect(),
            n_relevant: examples.lists.iter().map(|list| list.n_done[place]).collect(),
        })
    }

    /// Where too few lists to learn from, or to validate by, have it.
    fn why_left_out(&self, learns: usize, judges: usize) -> String {
        let name = &self.name;
        if self.n_relevant.iter().all(|n| *n == 0) {
            return format!(
                "the objective {name} is left out: nobody did it in a way that counts after the cut; what has no weight \
                 (weights.{name}), a value too low (weights.at_least.{name}) or takes something back, as values below 0 \
                 do, is not foreseen"
            );
        }
        format!(
            "the objective {name} is left out: {learns} lists to learn from and {judges} to validate by have it, and \
             either takes {FEWEST_LISTS}"
        )
    }

    /// Lists among these in which it came true.
    pub(in crate::fit) fn n_lists(&self, examples: &Examples, lists: &[usize]) -> usize {
        let has_it = |list: &&usize| self.came_true[examples.lists[**list].rows.clone()].contains(&true);
        lists.iter().filter(has_it).count()
    }

    /// Mean NDCG@10 over those of these lists in which it came true; `logits` has a value per row of each.
    pub(in crate::fit) fn ndcg(&self, examples: &Examples, lists: &[usize], logits: &[Vec<f32>]) -> f64 {
        let of_lists = self.ndcg_of_each(examples, lists, logits);
        let n_lists = of_lists.iter().flatten().count();
        of_lists.iter().flatten().sum::<f64>() / n_lists.max(1) as f64
    }

    /// NDCG@10 of each of these lists; `None` where it did not come true.
    fn ndcg_of_each(&self, examples: &Examples, lists: &[usize], logits: &[Vec<f32>]) -> Vec<Option<f64>> {
        let of_list = |(&list, logits): (&usize, &Vec<f32>)| {
            let came_true = &self.came_true[examples.lists[list].rows.clone()];
            let has_it = came_true.contains(&true);
            has_it.then(|| Metrics::of_scores(10, logits, came_true, self.n_relevant[list]).ndcg)
        };
        lists.iter().zip(logits).map(of_list).collect()
    }
}

/// NDCG@10 of each of these lists, of all objectives by their shares, from the logits of their rows by head; each
/// objective counts so much more as fewer lists have it, so that the mean is that of the objectives' own means.
pub(in crate::fit) fn ndcg_of_each(
    objectives: &[Objective],
    examples: &Examples,
    lists: &[usize],
    logits: &[Vec<Vec<f32>>],
) -> Vec<f64> {
    let mut of_lists = vec![0.0; lists.len()];
    for (objective, logits) in objectives.iter().zip(logits) {
        let of_objective = objective.ndcg_of_each(examples, lists, logits);
        let n_with = of_objective.iter().flatten().count().max(1);
        let counts = f64::from(objective.share) * lists.len() as f64 / n_with as f64;
        for (sum, ndcg) in of_lists.iter_mut().zip(&of_objective) {
            *sum += counts * ndcg.unwrap_or(0.0);
        }
    }
    of_lists
}

fn unknown(name: &str, examples: &Examples) -> String {
    let known: Vec<&str> = examples.actions.iter().map(Action::name).collect();
    let known = known.join(", ");
    format!(
        "objectives.{name}: the data have no such action; there are {known}, and take for any that counts"
    )
}
