//! Tests of the autoencoder.

use super::*;
use crate::progress::Silent;
use reco_core::id::ItemId;

/// Two tastes: even users like even items, odd users odd ones, with holes; nobody likes item 30, user 40 nothing.
fn tastes() -> Csr {
    let cells = (0u32..40).flat_map(|user| (0u32..30).map(move |item| (user, item)));
    let liked = cells.filter(|(user, item)| user % 2 == item % 2 && (user / 2 + item / 2) % 5 != 0);
    Csr::from_entries(41, 31, liked.map(|(user, item)| (user, item, 1.0)).collect::<Vec<_>>().into_iter())
}

fn params() -> AutoencoderParams {
    AutoencoderParams { width: 8, batch: 10, learning_rate: 0.01, ..AutoencoderParams::default() }
}

fn scores(model: &AutoencoderModel, had: &[u32]) -> Vec<f32> {
    let mut scores = vec![0.0; model.n_items()];
    model.score_all(&model.user_vector(had.iter().map(|&item| ItemId::new(item))), &mut scores);
    scores
}

#[test]
fn holes_of_ones_taste_outrank_the_other_taste() {
    let matrix = tastes();
    let model = fit(&matrix, &params(), &Silent).unwrap();
    for user in 0..40 {
        let scores = scores(&model, matrix.row(user).0);
        let worst = (0..30).filter(|item| item % 2 == user % 2).map(|item| scores[item]).fold(9.0, f32::min);
        let others = (0..31).filter(|item| *item == 30 || item % 2 != user % 2);
        assert!(others.into_iter().all(|item| scores[item] < worst), "user {user}: {scores:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let on = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let params = AutoencoderParams { seed, epochs: 3, ..params() };
        pool.install(|| fit(&tastes(), &params, &Silent)).unwrap()
    };
    assert_eq!(on(1, 7), on(3, 7));
    assert_ne!(on(1, 7), on(1, 8));
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let wrong = AutoencoderParams {
        width: 0,
        epochs: 0,
        batch: 0,
        learning_rate: f32::NAN,
        input_dropout: 1.0,
        hidden_dropout: -0.1,
        seed: 0,
    };
    assert_eq!(wrong.problems().len(), 6);
    let nothing = Csr::from_entries(2, 3, std::iter::empty());
    assert!(matches!(fit(&nothing, &params(), &Silent), Err(FitError::Empty { .. })));
    let wild = AutoencoderParams { learning_rate: f32::MAX, ..params() };
    assert!(matches!(fit(&tastes(), &wild, &Silent), Err(FitError::NotFinite { .. })));
}
