//! The data of a search: what trials learn from and are judged on, and the test part that none of them sees.

use super::schedule::Judgement;
use crate::data::{Dataset, Division, Split, Target, split};
use crate::evaluate::{self, EvaluateError, EvaluateOptions, Metric, Source};
use crate::fit::snapshot::Plan;
use crate::progress::Progress;
use rand::SeedableRng;
use rand::distr::{Distribution, StandardUniform};
use rand_pcg::Pcg64;
use reco_core::event::ActionWeights;
use reco_core::pipeline::PipelineConfig;

/// How a configuration is judged.
#[derive(Clone, Debug)]
pub struct Question {
    /// The model, of [`MODELS`](crate::evaluate::MODELS).
    pub model: String,
    /// What comes next, or what new.
    pub target: Target,
    /// The metric.
    pub metric: Metric,
    /// Share of the interactions, the latest, that nobody sees before the search is over.
    pub test_share: f64,
    /// Share of the interactions before, the latest, that trials are judged on.
    pub validation_share: f64,
    /// Seed of training, intervals and the choice of users.
    pub seed: u64,
}

/// What a configuration says about training and pages.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// What is fitted.
    pub plan: &'a Plan,
    /// How pages are made.
    pub pipeline: &'a PipelineConfig,
    /// Weights of the actions.
    pub weights: &'a ActionWeights,
}

/// The data, divided by time: training and validation, and the test part.
#[derive(Debug)]
pub struct Parts {
    whole: Dataset,
    searched: Dataset,
    question: Question,
    /// A place between 0 and 1 for every user: those below a share are in it.
    places: Vec<f64>,
}

impl Parts {
    /// Divides the data; `weights` say which interactions count.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`] for shares out of range and data without times.
    pub fn new(whole: Dataset, question: Question, weights: &ActionWeights) -> Result<Self, EvaluateError> {
        for share in [question.test_share, question.validation_share] {
            if !(share > 0.0 && share < 1.0) {
                return Err(EvaluateError::TestShare(share));
            }
        }
        if !whole.log.has_times() {
            return Err(EvaluateError::NoTimes);
        }
        let Division { train, .. } =
            split(&whole.log, Split::Time { test_share: question.test_share }, weights);
        let searched = part(&whole, &train);
        let mut rng = Pcg64::seed_from_u64(question.seed);
        let places = (0..whole.log.users.len()).map(|_| StandardUniform.sample(&mut rng)).collect();
        Ok(Self { whole, searched, question, places })
    }

    /// All the data.
    pub fn whole(&self) -> &Dataset {
        &self.whole
    }

    /// What trials see: everything before the test part.
    pub fn searched(&self) -> &Dataset {
        &self.searched
    }

    /// Judges a configuration on the validation part, with a share of the users; a larger share has all of a
    /// smaller one's.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`], as [`evaluate::run`] has it.
    pub fn on_validation(
        &self,
        candidate: Candidate<'_>,
        share: f64,
        progress: &dyn Progress,
    ) -> Result<Judgement, EvaluateError> {
        let dataset = if share < 1.0 { self.sampled(share) } else { self.searched.clone() };
        self.judged(dataset, self.question.validation_share, candidate, progress)
    }

    /// Judges a configuration on the test part, after training on everything before it.
    ///
    /// # Errors
    ///
    /// As [`on_validation`](Self::on_validation).
    pub fn on_test(
        &self,
        candidate: Candidate<'_>,
        progress: &dyn Progress,
    ) -> Result<Judgement, EvaluateError> {
        self.judged(self.whole.clone(), self.question.test_share, candidate, progress)
    }

    fn sampled(&self, share: f64) -> Dataset {
        let log = &self.searched.log;
        let is_in = |row: &u32| self.places[log.user[*row as usize] as usize] < share;
        part(&self.searched, &(0..log.len() as u32).filter(is_in).collect::<Vec<_>>())
    }

    fn judged(
        &self,
        dataset: Dataset,
        test_share: f64,
        candidate: Candidate<'_>,
        progress: &dyn Progress,
    ) -> Result<Judgement, EvaluateError> {
        let Question { model, target, metric, seed, .. } = &self.question;
        let options = EvaluateOptions {
            target: *target,
            models: vec![model.clone()],
            k: vec![metric.k()],
            negatives: None,
            plan: candidate.plan.clone(),
            pipeline: candidate.pipeline.clone(),
            weights: candidate.weights.clone(),
            seed: *seed,
        };
        let source = Source::Split(Box::new(dataset), Split::Time { test_share });
        let mut report = evaluate::alone(source, &options, progress)?;
        let users = report.users_evaluated;
        let mut report = report.models.swap_remove(0);
        let name = metric.to_string();
        report.metrics.retain(|_, value| value.is_finite());
        Ok(Judgement {
            value: report.metrics.get(&name).copied().unwrap_or(f64::NAN),
            interval: report.intervals.get(&format!("{name}_ci")).copied(),
            metrics: report.metrics,
            users,
        })
    }
}

/// The same data with some of the interactions.
fn part(dataset: &Dataset, rows: &[u32]) -> Dataset {
    let Dataset { catalog, log, users, extra } = dataset;
    Dataset { catalog: catalog.clone(), log: log.select(rows), users: users.clone(), extra: extra.clone() }
}
