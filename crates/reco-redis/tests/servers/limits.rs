//! Rate limits: exact in every window, whoever asks at the same time.

use crate::rig::cluster::Cluster;
use crate::rig::{Server, present, random};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reco_core::error::FaultKind;
use reco_core::time::Timestamp;
use reco_redis::{RateLimit, RedisClient};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_get_no_more_than_the_limit() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let limit = RateLimit::new(&server.client(), "requests", 100, MINUTE).unwrap();
            tokio::spawn(async move {
                let mut allowed = 0;
                for _ in 0..20 {
                    let decision = limit.take("ann", 1).await.unwrap();
                    assert_eq!(decision.allowed, decision.retry_after.is_zero());
                    assert!(decision.retry_after <= MINUTE);
                    allowed += u32::from(decision.allowed);
                }
                allowed
            })
        })
        .collect();
    let mut allowed = 0;
    for task in tasks {
        allowed += task.await.unwrap();
    }
    assert_eq!(allowed, 100, "a thousand requests of 50 clients");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept_apart_and_said_when_they_make_no_sense() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let client = server.client();
    let limit = RateLimit::new(&client, "a", 3, MINUTE).unwrap();
    let at = Timestamp::from_secs(1_700_000_000);
    let took = limit.take_at("ann", 2, at).await.unwrap();
    assert_eq!((took.allowed, took.remaining), (true, 1));
    let asked = limit.take_at("ann", 0, at).await.unwrap();
    assert_eq!((asked.allowed, asked.remaining), (true, 1), "asking takes nothing");
    let refused = limit.take_at("ann", 2, at).await.unwrap();
    assert_eq!((refused.allowed, refused.remaining, refused.retry_after), (false, 1, MINUTE));
    let earlier = limit.take_at("ann", 1, at.plus_days(-1.0)).await.unwrap();
    assert!(earlier.allowed, "what is left is left");
    assert!(!limit.take_at("ann", 1, at.plus_days(-1.0)).await.unwrap().allowed, "time does not go back");
    assert!(limit.take_at("bob", 3, at).await.unwrap().allowed, "everybody has a limit of their own");
    let other = RateLimit::new(&client, "b", 3, MINUTE).unwrap();
    assert!(other.take_at("ann", 3, at).await.unwrap().allowed, "names count by themselves");
    let fault = limit.take("ann", 4).await.unwrap_err();
    assert!(fault.kind == FaultKind::Invalid && fault.message().contains("cost is 4"), "{}", fault.message());
    let wrong = RateLimit::new(&client, "c", 0, Duration::ZERO).unwrap_err().to_string();
    assert!(wrong.contains("limit of `c` is 0") && wrong.contains("window of `c` is 0ns"), "{wrong}");

    let left: i64 = redis::cmd("PTTL").arg("reco:rate:{ann}:a").query(&mut server.direct()).unwrap();
    assert!((1..=60_000).contains(&left), "it expires with its window: {left}");
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.direct()).unwrap();
    assert!(
        limit.take("carl", 1).await.unwrap().allowed,
        "a server that forgot the program is told it again"
    );
}

/// Steps of (milliseconds since the step before, cost).
fn model(steps: &[(u32, u32)], limit: usize, window: i64) -> Vec<(bool, u32, i64)> {
    let (mut now, mut taken) = (0, Vec::new());
    let step = |&(wait, cost): &(u32, u32)| {
        now += i64::from(wait);
        taken.retain(|at| *at > now - window);
        let room = limit - taken.len();
        if cost as usize > room {
            return (false, room as u32, taken[cost as usize - room - 1] + window - now);
        }
        taken.extend(std::iter::repeat_n(now, cost as usize));
        (true, (limit - taken.len()) as u32, 0)
    };
    steps.iter().map(step).collect()
}

async fn run(client: &RedisClient, who: &str, steps: &[(u32, u32)]) -> Vec<(bool, u32, i64)> {
    let limit = RateLimit::new(client, "model", 5, Duration::from_secs(1)).expect("a sound limit");
    let (mut now, mut decisions) = (1_700_000_000_000, Vec::new());
    for (wait, cost) in steps {
        now += i64::from(*wait);
        let decision = limit.take_at(who, *cost, Timestamp::from_millis(now)).await.expect("a decision");
        decisions.push((decision.allowed, decision.remaining, decision.retry_after.as_millis() as i64));
    }
    decisions
}

#[test]
fn every_window_is_kept() {
    if !present() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (server, cluster) = (Server::start(&[]), Cluster::start());
    let clients = runtime.block_on(async { [server.client(), cluster.client()] });
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec((0u32..700, 0u32..=5), 1..30);
    let outcome = runner.run(&(steps, any::<bool>()), |(steps, clustered)| {
        let who = format!("user {}", random());
        let decisions = runtime.block_on(run(&clients[usize::from(clustered)], &who, &steps));
        prop_assert_eq!(decisions, model(&steps, 5, 1_000));
        Ok(())
    });
    outcome.unwrap();
}
