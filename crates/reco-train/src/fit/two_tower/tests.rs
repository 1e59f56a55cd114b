use super::*;
use crate::progress::Silent;
use reco_core::catalog::ItemRecord;
use reco_core::event::{Action, ActionWeights};
use reco_core::id::ItemId;
use reco_core::interactions::InteractionLog;
use reco_core::time::Timestamp;

/// Items of two categories in turn, but the last few, of which nothing is known.
fn catalog(n_items: u32, n_unknown: u32) -> Catalog {
    let mut catalog = Catalog::builder();
    for item in 0..n_items {
        let category = (item < n_items - n_unknown).then(|| ["red", "blue"][item as usize % 2].to_owned());
        catalog.push(ItemRecord { category, ..ItemRecord::new(format!("item{item}")) }).unwrap();
    }
    catalog.build()
}

fn histories(takes: impl IntoIterator<Item = (u32, u32)>) -> Histories {
    let mut log = InteractionLog::default();
    for ((user, item), at) in takes.into_iter().zip(0..) {
        let user = log.users.intern(&format!("user{user}"));
        log.push(user, ItemId::new(item), &Action::Purchase, None, Timestamp::from_secs(at));
    }
    Histories::from_log(&log, &ActionWeights::default())
}

/// Even users take even items, odd users odd ones, with holes; nobody takes the items 30 to 33.
fn tastes() -> Histories {
    let cells = (0u32..40).flat_map(|user| (0u32..30).map(move |item| (user, item)));
    histories(cells.filter(|(user, item)| user % 2 == item % 2 && (user / 2 + item / 2) % 5 != 0))
}

fn params() -> TwoTowerParams {
    TwoTowerParams { width: 16, epochs: 60, batch: 64, ..TwoTowerParams::default() }
}

fn scores(model: &TwoTowerModel, had: &[u32]) -> Vec<f32> {
    let mut scores = vec![0.0; model.items().n_rows()];
    model.score_all(&model.user_vector(had.iter().map(|&item| ItemId::new(item))), &mut scores);
    scores
}

#[test]
fn somebody_new_gets_what_goes_with_what_they_have() {
    let model = fit(&tastes(), &catalog(34, 2), &params(), &Silent).unwrap();
    for had in [vec![4], vec![3, 11], vec![0, 2, 4, 6, 8]] {
        let scores = scores(&model, &had);
        let is_own = |item: &usize| *item as u32 % 2 == had[0] % 2;
        let (own, others): (Vec<usize>, Vec<usize>) = (0..30).partition(is_own);
        let pairs = own.iter().flat_map(|&own| others.iter().map(move |&other| (own, other)));
        let n_ordered = pairs.filter(|&(own, other)| scores[own] > scores[other]).count();
        assert!(n_ordered >= 15 * 15 * 9 / 10, "{had:?}: {n_ordered} of 225 pairs are in order, {scores:?}");
        // Nobody has these two, but their category tells; of the last two nothing is known.
        let (near, far) = if had[0] % 2 == 0 { (30, 31) } else { (31, 30) };
        assert!(scores[near] > scores[far] && scores[32..] == [0.0, 0.0], "{had:?}: {scores:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_towers_on_any_number_of_threads() {
    let on = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let params = TwoTowerParams { seed, epochs: 2, ..params() };
        pool.install(|| fit(&tastes(), &catalog(34, 2), &params, &Silent)).unwrap()
    };
    assert_eq!(on(1, 7), on(3, 7));
    assert_ne!(on(1, 7), on(1, 8));
}

/// After item 0, half of the users take item 1, which everybody else takes, too, and the others item 2, which nobody
/// else takes. So both are as likely after item 0; but item 1 stands in many more batches against it.
#[test]
fn what_is_popular_is_not_punished_for_it() {
    let after_nought = (0u32..120).flat_map(|user| [(user, 0), (user, 1 + user % 2)]);
    let elsewhere = (120u32..600).flat_map(|user| [(user, 3 + user % 7), (user, 1)]);
    let histories = histories(after_nought.chain(elsewhere));
    let ahead = |corrected: bool| {
        let params = TwoTowerParams { corrected, temperature: 0.2, ..params() };
        let model = fit(&histories, &catalog(10, 10), &params, &Silent).unwrap();
        let scores = scores(&model, &[0]);
        (scores[1] - scores[2]) / 0.2
    };
    let (corrected, not_corrected) = (ahead(true), ahead(false));
    // Item 1 has nine times the users of item 2: ln 9 is what it loses without the correction.
    assert!(corrected > -0.3, "corrected, item 1 is ahead by {corrected}, else by {not_corrected}");
    assert!(
        not_corrected < corrected - 1.5,
        "corrected, item 1 is ahead by {corrected}, else by {not_corrected}"
    );
    assert!(not_corrected < -1.0, "not corrected, item 1 is ahead by {not_corrected}");
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let wrong = TwoTowerParams {
        width: 0,
        epochs: 0,
        batch: 1,
        learning_rate: f64::NAN,
        weight_decay: -1.0,
        temperature: 0.0,
        history: 51,
        ..TwoTowerParams::default()
    };
    assert_eq!(wrong.problems().len(), 7);
    let alone = histories([(0, 1), (1, 2)]);
    assert!(matches!(fit(&alone, &catalog(5, 0), &params(), &Silent), Err(FitError::Empty { .. })));
    let wild = TwoTowerParams { learning_rate: 1e38, ..params() };
    assert!(matches!(fit(&tastes(), &catalog(34, 2), &wild, &Silent), Err(FitError::NotFinite { .. })));
}
