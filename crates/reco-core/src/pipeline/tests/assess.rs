//! What generators think of one another's proposals.

use super::*;

/// Proposes the items `first..`, and thinks the more of any item the larger its id; in another mood it does not.
#[derive(Debug)]
struct Judge {
    proposes: From,
    mood: Mood,
    clock: ManualClock,
}

impl CandidateGenerator for Judge {
    fn name(&self) -> &str {
        self.proposes.name()
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        self.proposes.generate(query, limit, out)
    }

    fn assess(&self, _: &Query, items: &[ItemId], scores: &mut [f32]) -> Result<(), Fault> {
        self.clock.advance(Duration::from_millis(200));
        let known = items.iter().zip(scores).filter(|(item, _)| item.raw() != 4);
        known.for_each(|(item, score)| *score = self.mood.score(item.raw() as f32));
        self.mood.check()
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {}
}

/// An item with what `judge` and `late` think of it.
type Judged = (u32, Option<f32>, Option<f32>);

/// Of the items 0 to 3, which `plain` proposes, and 4 to 6, which `judge` does.
fn assessments(mood: Mood) -> (Vec<Judged>, Page) {
    let clock = clock();
    let judge = Judge { proposes: From("judge", 4, Mood::Fine), mood, clock: clock.clone() };
    let late = Judge { proposes: From("late", 4, Mood::Fine), mood: Mood::Fine, clock: clock.clone() };
    let recommender = builder(20, &clock)
        .generator(From("plain", 0, Mood::Fine), Quotas::everywhere(4))
        .generator(judge, Quotas::everywhere(3))
        .generator(late, Quotas::everywhere(1))
        .build()
        .unwrap();
    let (_, set) = recommender.candidates_now(Request::for_user("ann")).unwrap();
    assert!((0..set.len()).all(|row| set.assessment(row, 0).is_none()), "it cannot tell");
    let mut rows: Vec<_> = (0..set.len())
        .map(|row| (set.ids()[row].raw(), set.assessment(row, 1), set.assessment(row, 2)))
        .collect();
    rows.sort_by_key(|row| row.0);
    (rows, recommender.recommend_now(Request::for_user("ann").count(7)).unwrap())
}

#[test]
fn a_source_speaks_of_what_others_propose_while_there_is_time() {
    let (rows, page) = assessments(Mood::Fine);
    // Of item 4 it has nothing new to say, so its hit stands.
    let judged = [0.0, 1.0, 2.0, 3.0, -4.0, 5.0, 6.0].map(Some);
    assert_eq!(rows.iter().map(|row| row.1).collect::<Vec<_>>(), judged);
    assert!(rows.iter().all(|row| row.2.is_none()), "the budget was spent");
    assert_eq!(components(&page).into_iter().filter(|(name, _)| *name == "judge").count(), 0);
}

#[test]
fn one_that_fails_then_is_named_and_its_hits_speak() {
    for mood in [Mood::Faulty, Mood::Panicking, Mood::Nan] {
        let (rows, page) = assessments(mood);
        assert!(rows.len() == 7 && rows.iter().all(|row| row.1.is_none()), "{mood:?}: {rows:?}");
        let is_named = components(&page).contains(&("judge", FaultKind::Internal));
        assert_eq!(is_named, mood != Mood::Nan, "{mood:?}");
        assert_eq!(page.items.len(), 7);
    }
}
