//! Folding in on real data: who is folded in from their whole history gets the page of their trained row.

use reco_core::event::ActionWeights;
use reco_core::id::ItemId;
use reco_core::linalg::{scan, top_scores};
use reco_core::retrieve::als::{AlsLoss, AlsModel};
use reco_train::data::Dataset;
use reco_train::fit::als::{AlsParams, fit};
use reco_train::progress::Silent;
use std::path::Path;

fn best(model: &AlsModel, factors: &[f32]) -> Vec<ItemId> {
    let mut scores = vec![0.0; model.items.n_rows()];
    scan(&model.items, factors, &mut scores);
    top_scores(&scores, 10, |_| true).into_iter().map(|(_, item)| item).collect()
}

#[test]
fn households_folded_in_get_the_items_of_their_trained_rows() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo");
    let Dataset { catalog, log, .. } = Dataset::load(&demo).unwrap();
    let matrix = log.matrix(catalog.len(), &ActionWeights::default());
    let model = fit(&matrix, &AlsParams::default(), &Silent).unwrap().model;
    let mut shared: Vec<usize> = (0..matrix.n_rows())
        .map(|user| {
            let (items, weights) = matrix.row(user);
            let observed: Vec<(ItemId, f32)> = (items.iter().zip(weights))
                .map(|(&item, &weight)| (ItemId::new(item), AlsLoss::confidence(weight)))
                .collect();
            let (folded, trained) =
                (best(&model, &model.fold_in(&observed, None)), best(&model, model.users.row(user)));
            folded.iter().filter(|item| trained.contains(item)).count()
        })
        .collect();
    shared.sort_unstable();
    let mean = shared.iter().sum::<usize>() as f64 / shared.len() as f64;
    assert!(mean >= 9.5 && shared[shared.len() / 2] == 10, "of ten items {mean} are shared");
    assert!(
        shared[shared.len() / 20] >= 9,
        "one household in twenty shares {} or fewer",
        shared[shared.len() / 20]
    );
}
