//! Pages for any combination of parts that work, fail, panic or speak nonsense.

use super::*;
use proptest::prelude::*;

/// What a page says, without the faults' causes.
fn bytes(page: &Page) -> String {
    format!("{:?} {:?} {:?} {:?}", page.items, page.why_not, page.rung, page.warnings())
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![Just(Mood::Fine), Just(Mood::Faulty), Just(Mood::Panicking), Just(Mood::Nan)]
}

fn moody(moods: &[Mood], n_threads: usize) -> Recommender {
    builder(40, &clock())
        .pool(n_threads, 16)
        .features(Moody(moods[0]))
        .generator(From("a", 0, moods[1]), Quotas::everywhere(10))
        .generator(From("b", 6, moods[2]), Quotas::everywhere(10))
        .filter(NoThirds(moods[3]), OnFault::Skip)
        .ranker(ById("first", moods[4]))
        .ranker(ById("second", moods[5]))
        .reranker(LastFirst(moods[6]))
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_subset_of_failing_parts_still_answers(moods in prop::collection::vec(mood(), 7), count in 1usize..30) {
        let page = moody(&moods, 1).recommend_now(Request::for_user("ann").count(count)).unwrap();
        // The catalogue holds 40 items, two thirds of which pass the filter when that works.
        prop_assert_eq!(page.items.len(), count.min(if moods[3].check_quietly() { 26 } else { 40 }));
        let asked = |i: &usize| *i != 5; // The second ranker is asked only when the first fails.
        prop_assert_eq!(page.is_degraded(), (0..7).filter(asked).any(|i| !moods[i].check_quietly()));
        if moods[3].check_quietly() {
            prop_assert!(page.items.iter().all(|item| item.id.raw() % 3 != 0), "a filtered item never appears");
        }
    }

    #[test]
    fn the_same_request_gives_the_same_bytes(moods in prop::collection::vec(mood(), 7), count in 1usize..30) {
        let request = || Request::for_user("ann").count(count).why_not(["item3", "item39"]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let now = bytes(&moody(&moods, 1).recommend_now(request()).unwrap());
        let pooled = runtime.block_on(moody(&moods, 2).recommend(request())).unwrap();
        prop_assert_eq!(now, bytes(&pooled));
    }

    #[test]
    fn another_generator_never_empties_a_page(first in mood(), second in mood(), count in 1usize..30) {
        let with = |second: Option<Mood>| {
            let mut builder = builder(40, &clock()).generator(From("a", 0, first), Quotas::everywhere(10));
            if let Some(mood) = second {
                builder = builder.generator(From("b", 6, mood), Quotas::everywhere(10));
            }
            builder.build().unwrap().recommend_now(Request::for_user("ann").count(count)).unwrap().items.len()
        };
        prop_assert!(with(Some(second)) >= with(None));
    }
}

impl Mood {
    /// Whether a part in this mood works; NaN is a result, not a failure.
    fn check_quietly(self) -> bool {
        matches!(self, Self::Fine | Self::Nan)
    }
}
