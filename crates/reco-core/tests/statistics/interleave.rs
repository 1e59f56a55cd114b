//! Pages of two rankers.

use proptest::prelude::*;
use reco_core::experiment::interleave::{Preference, Team, TeamDraft};
use std::collections::HashSet;

/// A list without repetition.
fn list() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::hash_set(0u8..30, 0..20)
        .prop_map(|items| items.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

proptest! {
    #[test]
    fn a_page_is_made_of_both_lists_in_their_order(a in list(), b in list(), count in 0usize..40, seed: u64) {
        let page = TeamDraft::seeded(&a, &b, count, seed);
        prop_assert_eq!(&page, &TeamDraft::seeded(&a, &b, count, seed));
        let all: HashSet<&u8> = a.iter().chain(&b).collect();
        prop_assert_eq!(page.items().len(), count.min(all.len()));
        prop_assert_eq!(page.items().iter().collect::<HashSet<_>>().len(), page.items().len());
        for (team, list) in [(Team::A, &a), (Team::B, &b)] {
            let chosen = page.items().iter().zip(page.teams()).filter(|(_, of)| **of == team);
            let places: Vec<_> = chosen.map(|(item, _)| list.iter().position(|other| other == item)).collect();
            prop_assert!(places.iter().all(Option::is_some) && places.is_sorted());
        }
    }

    #[test]
    fn while_both_have_items_teams_are_as_large(a in list(), b in list(), seed: u64) {
        let page = TeamDraft::seeded(&a, &b, a.len().min(b.len()), seed);
        let mut lead = 0i32;
        for team in page.teams() {
            lead += if *team == Team::A { 1 } else { -1 };
            prop_assert!(lead.abs() <= 1);
        }
    }

    #[test]
    fn equal_rankers_win_as_often(wins in 0u64..2_000, more in 0u64..100) {
        let p = |wins_a, wins_b| Preference { wins_a, wins_b, ties: 3 }.p().unwrap();
        prop_assert!((p(wins, wins + more + 1) - p(wins + more + 1, wins)).abs() < 1e-12);
        prop_assert!(p(wins, wins + more + 1) <= p(wins, wins + more.max(1)) + 1e-12);
        prop_assert!(p(wins + 1, wins + 1) == 1.0);
    }
}

#[test]
fn clicks_make_a_preference() {
    let page = TeamDraft::new(&[1, 2, 3], &[3, 4, 5], 4, || true);
    assert_eq!((page.items(), page.teams()), (&[1, 3, 2, 4][..], &[Team::A, Team::B, Team::A, Team::B][..]));
    assert_eq!(page.credit(&[3, 4, 2, 9]), [1, 2]);
    let mut preference = Preference::default();
    assert!(preference.p().is_err() && preference.delta().is_none());
    for credit in [[1, 2], [0, 0], [1, 1], [0, 3]] {
        preference.push(credit);
    }
    assert_eq!(preference, Preference { wins_a: 0, wins_b: 2, ties: 1 });
    assert!((preference.delta().unwrap() - 1.0 / 3.0).abs() < 1e-12 && preference.p().unwrap() == 0.5);
}
