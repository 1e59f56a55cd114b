//! What factors fitted to an order must satisfy.

use super::*;
use crate::progress::Silent;
use reco_core::id::ItemId;
use reco_core::linalg::dot;

/// Two tastes: even users like even items, odd users odd ones, with a hole each; nobody likes item 30, user 40
/// likes nothing.
fn tastes() -> Csr {
    let cells = (0u32..40).flat_map(|user| (0u32..30).map(move |item| (user, item)));
    let liked = cells.filter(|(user, item)| user % 2 == item % 2 && (user + item) % 5 != 0);
    Csr::from_entries(41, 31, liked.map(|(user, item)| (user, item, 1.0)).collect::<Vec<_>>().into_iter())
}

fn params() -> BprParams {
    BprParams { factors: 8, epochs: 60, ..BprParams::default() }
}

#[test]
fn holes_of_ones_taste_outrank_the_other_taste() {
    let model = fit(&tastes(), &params(), &Silent).unwrap().model;
    for (user, hole, other) in [(0, 10, 1), (1, 9, 2), (6, 4, 5)] {
        let score = |item| dot(model.users.row(user), model.items.row(item));
        assert!(score(hole) > score(other), "user {user}: {} and {}", score(hole), score(other));
    }
    assert!(model.items.row(30).iter().chain(model.users.row(40)).all(|&factor| factor == 0.0));
}

#[test]
fn a_user_folded_in_ranks_like_the_trained_row() {
    let matrix = tastes();
    let model = fit(&matrix, &params(), &Silent).unwrap().model;
    let order = |user: &[f32]| {
        let mut items: Vec<usize> = (0..31).collect();
        items.sort_by(|&a, &b| dot(user, model.items.row(b)).total_cmp(&dot(user, model.items.row(a))));
        items.truncate(10);
        items
    };
    let mut shared = 0;
    for user in 0..40 {
        let had: Vec<ItemId> = matrix.row(user).0.iter().map(|&item| ItemId::new(item)).collect();
        let folded = model.fold_in(&had, None, 1.0);
        for another_length in [&[][..], &[1.0; 99]] {
            assert_eq!(folded, model.fold_in(&had, Some(another_length), 1.0));
        }
        let trained = order(model.users.row(user));
        shared += order(&folded).iter().filter(|item| trained.contains(item)).count();
    }
    assert!(shared >= 320, "{shared} of 400");
    let nobody = model.fold_in(&[ItemId::new(30), ItemId::new(99)], None, 1.0);
    assert!(nobody.iter().all(|&factor| factor == 0.0), "items nobody touched say nothing");
}

#[test]
fn threads_change_nothing() {
    let fit_with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&tastes(), &params(), &Silent).unwrap().model)
    };
    assert_eq!(fit_with(1), fit_with(4));
}

#[test]
fn few_users_or_items_are_no_trouble() {
    for (users, items) in [(1, 1), (1, 20), (20, 1), (9, 3)] {
        let all = (0..users).flat_map(|user| (0..items).map(move |item| (user, item, 1.0)));
        let matrix = Csr::from_entries(users as usize, items as usize, all);
        let model = fit(&matrix, &params(), &Silent).unwrap().model;
        assert!(model.users.is_finite() && model.items.is_finite(), "{users} x {items}");
    }
}

#[test]
fn params_out_of_range_are_all_named() {
    let wrong =
        BprParams { factors: 0, epochs: 0, learning_rate: 0.0, regularization: -1.0, candidates: 0, seed: 1 };
    assert_eq!(wrong.problems().len(), 5);
    assert!(fit(&Csr::from_entries(1, 1, std::iter::empty()), &params(), &Silent).is_err());
}

#[test]
fn steps_that_lead_nowhere_are_refused() {
    let wild = BprParams { learning_rate: 1e20, ..params() };
    assert!(matches!(fit(&tastes(), &wild, &Silent), Err(FitError::NotFinite { model: "bpr" })));
}
