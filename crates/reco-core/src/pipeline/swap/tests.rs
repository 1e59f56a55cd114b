//! What is refused and why; and under load no page mixes snapshots, none fails, and the old one goes.

use super::*;
use crate::candidate::Hits;
use crate::catalog::{Catalog, ItemRecord};
use crate::error::{Fault, FaultKind};
use crate::id::ItemId;
use crate::pipeline::Quotas;
use crate::query::Query;
use crate::retrieve::{CandidateGenerator, Support};
use crate::time::ManualClock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

/// What a snapshot's model does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Fine,
    Nan,
    Faulty,
    Slow,
}

/// Proposes all items by the snapshot's mood.
#[derive(Debug)]
struct Moody(ManualClock);

impl CandidateGenerator for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn generate(&self, query: &Query, limit: usize, out: &mut Hits) -> Result<(), Fault> {
        let mood = query.snapshot.models.get::<Mood>("mood").copied();
        match mood {
            Some(Mood::Faulty) => return Err(Fault::new("moody", FaultKind::Internal)),
            Some(Mood::Slow) => self.0.advance(Duration::from_millis(200)),
            _ => {}
        }
        for id in (0..query.snapshot.catalog.len() as u32).take(limit) {
            out.push(ItemId::new(id), if mood == Some(Mood::Nan) { f32::NAN } else { -(id as f32) });
        }
        Ok(())
    }

    fn support(&self, _: &Query, _: ItemId, _: &mut Vec<Support>) {}
}

/// Items `prefix0` to `prefix9`, known to ann.
fn snapshot(version: &str, prefix: &str, mood: Mood) -> Snapshot {
    let mut catalog = Catalog::builder();
    for id in 0..10 {
        catalog.push(ItemRecord::new(format!("{prefix}{id}"))).unwrap();
    }
    let mut snapshot = Snapshot { version: version.into(), catalog: catalog.build(), ..Snapshot::default() };
    snapshot.users.intern("ann");
    snapshot.models.insert("mood", mood);
    snapshot
}

fn recommender() -> Recommender {
    let clock = ManualClock::starting_at(Timestamp::from_secs(1_700_000_000));
    Recommender::builder(snapshot("v1", "item", Mood::Fine))
        .generator(Moody(clock.clone()), Quotas::everywhere(10))
        .clock(Arc::new(clock))
        .pool(2, 1_024)
        .build()
        .unwrap()
}

#[test]
fn what_fails_a_check_leaves_the_old_one_and_says_why() {
    let golden = |user: &str| SwapGuard { golden_users: vec![user.into()], ..SwapGuard::default() };
    let any = SwapGuard { least_overlap: 0.0, ..SwapGuard::default() };
    let empty = Snapshot { version: "v2".into(), ..Snapshot::default() };
    for (next, guard, why) in [
        (empty, SwapGuard::default(), "it has no items"),
        (
            snapshot("v2", "item", Mood::Nan),
            SwapGuard::default(),
            "`moody` gave a score that is no finite number",
        ),
        (
            snapshot("v2", "item", Mood::Faulty),
            SwapGuard::default(),
            "a fault that the old one had not: moody",
        ),
        (snapshot("v2", "item", Mood::Slow), SwapGuard::default(), "99 of 100 requests take up to 200ms"),
        (snapshot("v2", "thing", Mood::Fine), SwapGuard::default(), "0.000 of the old pages' items"),
        (snapshot("v2", "item", Mood::Fine), golden("bob"), "golden user `bob` is not known to it"),
    ] {
        let recommender = recommender();
        recommender.recommend_now(Request::for_user("ann").count(3)).unwrap();
        let refused = recommender.swap_checked(next, &guard).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(&*recommender.snapshot().version, "v1");
        let last = recommender.last_swap().unwrap();
        assert_eq!((&*last.version, last.result), ("v2", Err(refused)));
    }
    for (next, guard) in
        [(snapshot("v2", "item", Mood::Fine), golden("ann")), (snapshot("v2", "thing", Mood::Fine), any)]
    {
        let recommender = recommender();
        recommender.recommend_now(Request::for_user("ann").count(3)).unwrap();
        let report = recommender.swap_checked(next, &guard).unwrap();
        assert!(report.replayed >= 2 && report.p99.is_zero(), "{report:?}");
        assert_eq!(&*recommender.snapshot().version, "v2");
    }
}

#[test]
fn a_request_about_what_is_gone_has_nothing_in_common() {
    let recommender = recommender();
    recommender.recommend_now(Request::similar_to("item1")).unwrap();
    let refused = recommender.swap_checked(snapshot("v2", "thing", Mood::Fine), &SwapGuard::default());
    assert!(matches!(refused, Err(SwapRefused::Overlap { found, replayed: 2, .. }) if found == 0.0));
}

#[test]
fn the_old_snapshot_goes_with_its_last_request() {
    let recommender = recommender();
    let pinned = recommender.snapshot();
    let old = Arc::downgrade(&pinned);
    recommender.swap_checked(snapshot("v2", "item", Mood::Fine), &SwapGuard::default()).unwrap();
    assert!(old.upgrade().is_some(), "a request still reads it");
    drop(pinned);
    assert!(old.upgrade().is_none(), "nobody else holds it");
    let refused = Arc::downgrade(&recommender.snapshot());
    recommender.swap_checked(snapshot("v3", "item", Mood::Nan), &SwapGuard::default()).unwrap_err();
    assert_eq!(refused.strong_count(), 1, "a refused swap holds on to nothing");
}

/// Threads ask while others swap to and fro.
#[test]
fn under_load_no_page_fails_and_none_mixes_snapshots() {
    let recommender = recommender();
    let guard = SwapGuard { least_overlap: 0.0, ..SwapGuard::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let done = AtomicBool::new(false);
    let seen = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        let ask = |asker: usize| {
            while !done.load(Ordering::Relaxed) {
                let request = Request::for_user("ann").count(5);
                let page = if asker == 0 {
                    recommender.recommend_now(request)
                } else {
                    runtime.block_on(recommender.recommend(request))
                };
                let page = page.unwrap();
                let is_new = &*page.snapshot == "v2";
                let prefix = if is_new { "thing" } else { "item" };
                assert_eq!(page.items.len(), 5);
                assert!(page.items.iter().all(|item| item.key.as_str().starts_with(prefix)), "{page:?}");
                seen[usize::from(is_new)].fetch_add(1, Ordering::Relaxed);
            }
        };
        let askers: Vec<_> = (0..3).map(|asker| scope.spawn(move || ask(asker))).collect();
        // Until both have answered, however late the askers get a processor; one that ends has failed.
        let goes_on = |round: usize| {
            let is_unseen = seen.iter().any(|n_pages| n_pages.load(Ordering::Relaxed) == 0);
            (round < 40 || is_unseen) && !askers.iter().any(ScopedJoinHandle::is_finished)
        };
        for round in (0..).take_while(|&round| goes_on(round)) {
            let (version, prefix) = if round % 2 == 0 { ("v2", "thing") } else { ("v1", "item") };
            recommender.swap_checked(snapshot(version, prefix, Mood::Fine), &guard).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        askers.into_iter().for_each(|asker| asker.join().unwrap());
    });
}
