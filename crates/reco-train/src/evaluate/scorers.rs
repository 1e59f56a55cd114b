//! Fitted models behind one interface: a score for every item.

use super::cases::Case;
use rand::SeedableRng;
use rand::distr::{Distribution, StandardUniform};
use rand_pcg::Pcg64;
use reco_core::error::RecommendError;
use reco_core::id::ItemId;
use reco_core::interactions::{Csr, Histories, Touch};
use reco_core::linalg::{Matrix, axpy, dot, scan};
use reco_core::retrieve::again::{AgainConfig, AgainGenerator};
use reco_core::retrieve::autoencoder::AutoencoderModel;
use reco_core::retrieve::neighbors::{Basis, Neighbors};
use reco_core::retrieve::repeats::Repeats;
use reco_core::retrieve::spectral::SpectralModel;
use reco_core::retrieve::trending::Trends;
use reco_core::retrieve::two_tower::TwoTowerModel;

/// A fitted model.
pub(super) trait Scorer: Sync {
    /// Overwrites `scores`, one per item of the catalogue, with what speaks for each of them in this case. What
    /// is not finite is not ranked.
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError>;
}

/// Everybody gets what most users had.
pub(super) struct Popular<'a>(pub(super) &'a [f32]);

impl Scorer for Popular<'_> {
    fn score(&self, _: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        scores.copy_from_slice(self.0);
        Ok(())
    }
}

/// Everybody gets what has most momentum when they ask.
pub(super) struct Trending(pub(super) Trends);

impl Scorer for Trending {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        for (score, id) in scores.iter_mut().zip((0..).map(ItemId::new)) {
            *score = self.0.of(id).at(case.asked_at, self.0.half_life_days());
        }
        Ok(())
    }
}

/// A shuffle per user: what skill is measured from.
pub(super) struct Random(pub(super) u64);

impl Scorer for Random {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        let mut rng = Pcg64::seed_from_u64(self.0.rotate_left(32) ^ u64::from(case.user));
        scores.fill_with(|| StandardUniform.sample(&mut rng));
        Ok(())
    }
}

/// Popularity as a share below `top`: it orders ties and what the user never had.
fn below(popularity: &[f32], top: f32) -> Vec<f32> {
    let most = popularity.iter().copied().fold(0.0, f32::max) + 1.0;
    popularity.iter().map(|count| count / most * top).collect()
}

/// How often the user had an item; ties and everything else by popularity.
pub(super) struct Frequency<'a> {
    histories: &'a Histories,
    below: Vec<f32>,
}

impl<'a> Frequency<'a> {
    pub(super) fn new(histories: &'a Histories, popularity: &[f32]) -> Self {
        Self { histories, below: below(popularity, 1.0) }
    }
}

impl Scorer for Frequency<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        scores.copy_from_slice(&self.below);
        for Touch { item, count, .. } in self.histories.of(case.user) {
            scores[item.index()] += *count as f32;
        }
        Ok(())
    }
}

/// The user's own items as the generator `again` ranks them; everything else by popularity below them.
pub(super) struct Again<'a> {
    histories: &'a Histories,
    generator: AgainGenerator,
    repeats: Repeats,
    below: Vec<f32>,
}

impl<'a> Again<'a> {
    pub(super) fn new(histories: &'a Histories, popularity: &[f32], config: &AgainConfig) -> Self {
        Self {
            histories,
            generator: AgainGenerator::new(config.clone()),
            repeats: Repeats::of(histories, popularity.len()),
            below: below(popularity, 1e-3),
        }
    }
}

impl Scorer for Again<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        scores.copy_from_slice(&self.below);
        for touch in self.histories.of(case.user).iter().filter(|touch| touch.count > 0 && !touch.rejected) {
            scores[touch.item.index()] +=
                1.0 + self.generator.score(touch, Some(&self.repeats), case.asked_at);
        }
        Ok(())
    }
}

/// The summed similarity to the user's items.
pub(super) struct Near<'a> {
    pub(super) neighbors: Neighbors,
    pub(super) matrix: &'a Csr,
}

impl Scorer for Near<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        scores.fill(0.0);
        let own = self.matrix.row(case.user as usize).0.iter().map(|&item| (ItemId::new(item), 1.0));
        self.neighbors.each_near(own, |near, similarity| scores[near.index()] += similarity);
        Ok(())
    }
}

/// What follows the user's latest items, as the generator by sequence has it.
pub(super) struct Following<'a> {
    pub(super) neighbors: Neighbors,
    pub(super) histories: &'a Histories,
}

impl Scorer for Following<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        scores.fill(0.0);
        let liked = self.histories.of(case.user).iter().filter(|touch| touch.is_liked());
        let basis = Basis::Now.among(liked.map(|touch| touch.item));
        self.neighbors.each_near(basis, |next, strength| scores[next.index()] += strength);
        Ok(())
    }
}

/// What the low-pass filter lets through.
pub(super) struct Filtered<'a> {
    pub(super) model: SpectralModel,
    pub(super) matrix: &'a Csr,
}

impl Scorer for Filtered<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        let items = self.matrix.row(case.user as usize).0.iter().map(|&item| ItemId::new(item));
        self.model.score_all(&self.model.user_vector(items), scores);
        Ok(())
    }
}

/// What the autoencoder finds missing.
pub(super) struct Completed<'a> {
    pub(super) model: AutoencoderModel,
    pub(super) matrix: &'a Csr,
}

impl Scorer for Completed<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        let items = self.matrix.row(case.user as usize).0;
        if items.is_empty() {
            scores.fill(0.0);
        } else {
            let items = items.iter().map(|&item| ItemId::new(item));
            self.model.score_all(&self.model.user_vector(items), scores);
        }
        Ok(())
    }
}

/// Where the user's tower points.
pub(super) struct Towers<'a> {
    pub(super) model: TwoTowerModel,
    pub(super) histories: &'a Histories,
}

impl Scorer for Towers<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        let liked = self.histories.of(case.user).iter().filter(|touch| touch.is_liked());
        self.model.score_all(&self.model.user_vector(liked.map(|touch| touch.item)), scores);
        Ok(())
    }
}

/// Inner products of factors.
pub(super) struct Factors {
    pub(super) users: Matrix,
    pub(super) items: Matrix,
}

impl Scorer for Factors {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        let user = self.users.row(case.user as usize);
        if dot(user, user) == 0.0 {
            scores.fill(0.0);
        } else {
            scan(&self.items, user, scores);
        }
        Ok(())
    }
}

/// The mean of what several models of one kind say.
pub(super) struct Averaged<'a>(pub(super) Vec<Box<dyn Scorer + 'a>>);

impl Scorer for Averaged<'_> {
    fn score(&self, case: &Case, scores: &mut [f32]) -> Result<(), RecommendError> {
        let mut one = vec![0.0; scores.len()];
        scores.fill(0.0);
        for scorer in &self.0 {
            scorer.score(case, &mut one)?;
            axpy(1.0 / self.0.len() as f32, &one, scores);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reco_core::time::Timestamp;

    #[test]
    fn models_of_one_kind_speak_with_one_voice() {
        let case = Case {
            user: 3,
            asked_at: Timestamp::default(),
            relevant: vec![ItemId::new(0)],
            masked: Vec::new(),
            among: None,
        };
        let of = |scorer: &dyn Scorer| {
            let mut scores = vec![9.0f32; 4];
            scorer.score(&case, &mut scores).expect("scores");
            scores
        };
        let (one, other) = (of(&Random(1)), of(&Random(2)));
        let mean: Vec<f32> = one.iter().zip(&other).map(|(one, other)| 0.5 * one + 0.5 * other).collect();
        assert_eq!(of(&Averaged(vec![Box::new(Random(1)), Box::new(Random(2))])), mean);
        assert_eq!(of(&Averaged(vec![Box::new(Random(1))])), one);
        // What one of them does not rank is not ranked.
        let unknown = [f32::NEG_INFINITY, 1.0, 2.0, f32::NAN];
        let scores = of(&Averaged(vec![Box::new(Popular(&unknown)), Box::new(Random(1))]));
        assert_eq!(
            scores.iter().map(|score| score.is_finite()).collect::<Vec<_>>(),
            [false, true, true, false]
        );
    }
}
