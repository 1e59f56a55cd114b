//! A smaller world, the same each time.

use super::*;
use reco_core::launch::LaunchConfig;

fn world() -> World {
    World { days: 6, pages: 30_000, items: 4, good: 1, ..World::default() }
}

#[test]
fn trials_cost_less_than_trying_at_random() {
    let world = world();
    let config = LaunchConfig {
        impressions: 300,
        budget: Some(400),
        share: 0.2,
        promoted_share: 0.5,
        ..LaunchConfig::default()
    };
    let launched = simulate(&world, &mut Launching::new(config, world.usual));
    let greedy = simulate(&world, &mut EpsilonGreedy::new(0.1, world.usual));
    assert!(launched.shown_bad.0 < greedy.shown_bad.0, "{launched:?}\n{greedy:?}");
    assert!(launched.regret < greedy.regret, "{launched:?}\n{greedy:?}");
    assert!(launched.regret_of_bad < greedy.regret_of_bad, "{launched:?}\n{greedy:?}");
    assert!(launched.days_to_place.is_some(), "{launched:?}");
}

#[test]
fn the_same_world_has_the_same_outcome() {
    let world = World { days: 2, pages: 5_000, ..world() };
    let once = || simulate(&world, &mut Thompson::new(world.usual));
    assert_eq!(once(), once());
}
