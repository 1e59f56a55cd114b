//! Bins, errors and importance that can be told by hand.

use super::*;
use crate::fit::examples::{Asker, ExampleList};
use crate::progress::Silent;
use reco_core::features::{Feature, FeatureKind};
use reco_core::id::ItemId;
use reco_core::rank::ModelError;

/// Scores by its first feature and reads a second in vain.
#[derive(Debug)]
struct First(Vec<Arc<str>>);

impl DenseModel for First {
    fn kind(&self) -> &'static str {
        "first"
    }
    fn features(&self) -> &[Arc<str>] {
        &self.0
    }
    fn predict(&self, rows: &[f32], scores: &mut [f32]) -> Result<(), ModelError> {
        scores.iter_mut().zip(rows.chunks_exact(2)).for_each(|(score, row)| *score = row[0]);
        Ok(())
    }
}

#[test]
fn what_a_ranker_lives_by_matters_and_nothing_else_does() {
    let feature = |name: &str| Feature::new(name, FeatureKind::Item, "a number");
    let (one, other) = (feature("in.vain"), feature("chance"));
    let names = vec![Arc::clone(&other.name), Arc::clone(&one.name)];
    let mut examples = Examples { features: vec![one, other], ..Examples::default() };
    for list in 0..30usize {
        let rows = list * 20..(list + 1) * 20;
        examples.lists.push(ExampleList {
            user: list as u32,
            asker: Asker::Regular,
            cut: 0,
            rows,
            n_taken: 1,
            n_done: Vec::new(),
            is_seen: false,
        });
        for row in 0..20u32 {
            let is_taken = row as usize == list % 20;
            examples.items.push(ItemId::new(row));
            examples.is_taken.push(is_taken);
            examples.values.extend([row as f32, if is_taken { 0.9 } else { 0.01 }]);
        }
    }
    let lists: Vec<usize> = (0..30).collect();
    let insight = inspect(&First(names.clone()), &examples, &lists, 1, &Silent).unwrap();
    assert_eq!((insight.lists, insight.rows, insight.taken), (30, 600, 30));
    assert!((insight.ndcg - 1.0).abs() < 1e-12);
    assert_eq!(insight.importance[0].feature, &*names[0]);
    assert!(insight.importance[0].drop > 0.5 && insight.importance[1].drop.abs() < 1e-12, "{insight:?}");
    let again = inspect(&First(names), &examples, &lists, 1, &Silent).unwrap();
    assert_eq!(again, insight);
}
