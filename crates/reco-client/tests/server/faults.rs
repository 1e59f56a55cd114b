//! Batches, repetitions and refusals.

use crate::world::{Fate, Server, Way, builder, click, client, track};
use proptest::prelude::*;
use reco_client::{Action, Cause, ClientConfig, Event, EventId, Stats, TrackError, Who};
use reco_http::HttpConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, advance, timeout};

fn server() -> Server {
    Server::new(HttpConfig::default())
}

#[tokio::test(start_paused = true)]
async fn ten_events_go_at_once_and_fewer_after_five_seconds() {
    let way = Way::new(&server(), []);
    let (client, _) = client(ClientConfig::default(), &way);
    let begin = Instant::now();
    track(&client, 3).await;
    advance(Duration::from_secs(2)).await;
    track(&client, 2).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    track(&client, 4).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    track(&client, 6).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(way.sizes(), [5, 10]);
    let seconds = way.seconds(begin);
    assert!((5.0..5.1).contains(&seconds[0]) && (13.0..13.1).contains(&seconds[1]), "{seconds:?}");
    assert_eq!(client.stats(), Stats { tracked: 15, sent: 15, ..Stats::default() });
}

#[tokio::test(start_paused = true)]
async fn whoever_is_faster_than_the_server_has_larger_requests() {
    let server = server();
    let way = Way::new(&server, []);
    let config = ClientConfig { most_events: 40, ..ClientConfig::default() };
    let (client, _) = client(config, &way);
    let ids = track(&client, 100).await;
    client.flush().await;
    assert_eq!(server.ids().await, ids, "in their order");
    assert_eq!(way.sizes(), [40, 40, 20]);
}

#[tokio::test(start_paused = true)]
async fn the_servers_wish_to_be_left_alone_is_heard() {
    let server = server();
    for status in [503, 429] {
        let way = Way::new(&server, [Fate::Status(status, Some(7)), Fate::Status(status, None)]);
        let (client, _) = client(ClientConfig::default(), &way);
        let begin = Instant::now();
        track(&client, 1).await;
        client.flush().await;
        let seconds = way.seconds(begin);
        assert!((7.0..7.21).contains(&seconds[1]), "{seconds:?}: what was asked for and up to `base_ms`");
        assert!(seconds[2] - seconds[1] < 0.41, "{seconds:?}: twice that without a wish");
        assert_eq!(client.stats().repeats, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let server = server();
    let way = Way::new(&server, [Fate::Hangs]);
    let (client, _) = client(ClientConfig::default(), &way);
    let begin = Instant::now();
    let ids = track(&client, 4).await;
    client.flush().await;
    assert!(way.seconds(begin)[1] >= 15.0);
    assert_eq!(server.ids().await, ids);
    assert_eq!(client.stats(), Stats { tracked: 4, sent: 4, repeats: 1, duplicates: 4, ..Stats::default() });
}

#[tokio::test(start_paused = true)]
async fn bad_events_are_reported_and_good_ones_beside_them_kept() {
    let server = server();
    let way = Way::new(&server, [Fate::AnswerLost]);
    let (client, losses) = client(ClientConfig::default(), &way);
    let good = client.track(click(1)).await.expect("there is room");
    let wrong = Event::new(Who::user(""), Action::Rating(f64::NAN), "tea").shown("page", 0);
    let bad = client.track(wrong).await.expect("what is wrong with it is for the server to say");
    let last = client.track(click(2)).await.expect("there is room");
    client.flush().await;
    assert_eq!(server.ids().await, [good, last].map(|id| id.to_string()));
    let lost = losses.take();
    let Cause::Refused(problems) = &lost[0].cause else { panic!("{lost:?}") };
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!((lost.len(), fields), (1, vec!["user_id", "value", "position"]));
    assert!(serde_json::to_string(&lost[0].event).unwrap().contains(&bad.to_string()));
    let stats = client.stats();
    assert_eq!((stats.sent, stats.refused, stats.duplicates), (2, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_as_a_whole_is_not_repeated() {
    for status in [400, 401, 404, 415, 422] {
        let server = server();
        let way = Way::new(&server, [Fate::Status(status, None)]);
        let (client, losses) = client(ClientConfig::default(), &way);
        track(&client, 3).await;
        client.flush().await;
        assert_eq!((way.sizes(), losses.take().len()), (vec![3], 3), "{status}");
        let ids = track(&client, 1).await;
        client.flush().await;
        assert_eq!(server.ids().await, ids, "what comes later is tried");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_less_at_a_time_gets_less() {
    let narrow = HttpConfig { body_limit_bytes: 1_024, ..HttpConfig::default() };
    let few = HttpConfig { max_events: 3, ..HttpConfig::default() };
    for config in [narrow, few] {
        let server = Server::new(config);
        let way = Way::new(&server, []);
        let (client, losses) = client(ClientConfig::default(), &way);
        let ids = track(&client, 50).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((server.ids().await, losses.take()), (ids, vec![]), "the rest does not wait for company");
        let sizes = way.sizes();
        assert!(
            sizes.is_sorted_by(|earlier, later| earlier >= later) && sizes.len() < 25,
            "it learns: {sizes:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_as_small_as_the_server_wants_them() {
    let server = Server::new(HttpConfig { body_limit_bytes: 1_024, max_events: 4, ..HttpConfig::default() });
    let way = Way::new(&server, []);
    let config = ClientConfig { most_bytes: 1_024, most_events: 4, ..ClientConfig::default() };
    let (client, _) = client(config, &way);
    for n_bytes in (0..100).map(|place| place * 37 % 700) {
        client.track(click(n_bytes).context("note", "n".repeat(n_bytes))).await.expect("there is room");
    }
    client.flush().await;
    assert_eq!(
        (server.ids().await.len(), way.sizes().iter().sum::<usize>()),
        (100, 100),
        "none was sent in vain"
    );
    assert!(way.sizes().contains(&4));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_no_request_can_hold_is_not_taken_or_reported() {
    let server = Server::new(HttpConfig { body_limit_bytes: 1_024, ..HttpConfig::default() });
    let way = Way::new(&server, []);
    let config = ClientConfig { most_bytes: 4_096, ..ClientConfig::default() };
    let (client, losses) = client(config, &way);
    let large = |n_bytes: usize| click(1).context("note", "n".repeat(n_bytes));
    let told = client.try_track(large(4_096)).unwrap_err();
    assert!(matches!(told, TrackError::TooLarge { most: 4_096, .. }), "{told:?}");
    client.try_track(large(1_024)).expect("the client does not know better");
    let id = client.try_track(click(2)).expect("there is room");
    client.flush().await;
    assert_eq!(server.ids().await, [id.to_string()]);
    let Cause::Refused(problems) = &losses.take()[0].cause else { panic!("it was refused") };
    assert!(problems[0].problem.contains("413"), "{problems:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_is_told_or_waited_for() {
    let server = server();
    let away = std::iter::repeat_n(Fate::Cut, 30);
    let way = Way::new(&server, away);
    let config = ClientConfig { buffer_bytes: 2_048, ..ClientConfig::default() };
    let (client, _) = client(config, &way);
    let mut ids: Vec<EventId> = Vec::new();
    let full = loop {
        match client.try_track(click(ids.len())) {
            Ok(id) => ids.push(id),
            Err(error) => break error,
        }
    };
    assert_eq!(full, TrackError::Full);
    let n_bytes = serde_json::to_string(&click(1).id(ids[0]).at_millis(0)).unwrap().len();
    assert!((5..=2_048 / n_bytes).contains(&ids.len()), "{} events of {n_bytes} bytes", ids.len());
    ids.push(client.track(click("-late")).await.expect("the server comes back"));
    assert!(way.sizes().len() > 30);
    client.flush().await;
    assert_eq!(server.ids().await, ids.iter().map(EventId::to_string).collect::<Vec<_>>());
    let stats = client.stats();
    assert_eq!((stats.turned_away, stats.tracked, stats.sent), (1, ids.len() as u64, ids.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn a_large_event_that_finds_no_room_does_not_wait_for_company() {
    let server = server();
    let way = Way::new(&server, []);
    let config = ClientConfig { buffer_bytes: 1_024, ..ClientConfig::default() };
    let (client, _) = client(config, &way);
    let begin = Instant::now();
    for item in 0..3 {
        client.track(click(item).context("note", "n".repeat(600))).await.expect("there will be room");
    }
    assert_eq!(way.sizes(), [1, 1]);
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_flush_can_be_given_up_without_a_loss() {
    let server = server();
    let way = Way::new(&server, std::iter::repeat_n(Fate::Cut, 20));
    let (client, _) = client(ClientConfig::default(), &way);
    let ids = track(&client, 2).await;
    assert!(timeout(Duration::from_secs(1), client.flush()).await.is_err(), "the server is away");
    assert_eq!(client.stats().waiting, 2);
    client.flush().await;
    assert_eq!(server.ids().await, ids);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_who_hears_of_losses_harms_nobody() {
    let server = server();
    let way = Way::new(&server, [Fate::Status(400, None)]);
    let (builder, _) = builder(ClientConfig::default());
    let client = builder.transport(Arc::clone(&way) as _).on_lost(|_| panic!("not today")).start().unwrap();
    track(&client, 2).await;
    client.flush().await;
    let ids = track(&client, 1).await;
    client.flush().await;
    assert_eq!((server.ids().await, client.stats().refused), (ids, 2));
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Through),
        Just(Fate::Cut),
        Just(Fate::AnswerLost),
        Just(Fate::Hangs),
        prop_oneof![Just(408), Just(429), Just(500), Just(503)]
            .prop_map(|status| Fate::Status(status, Some(1))),
        // Something in between that says yes to everything.
        Just(Fate::Status(200, None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_event_counts_once_whatever_happens(
        fates in prop::collection::vec(fate(), 0..40),
        bursts in prop::collection::vec(0usize..25, 1..8),
        most_events in 1usize..30,
        buffer_bytes in 1_024u32..9_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let server = server();
            let way = Way::new(&server, fates);
            let config = ClientConfig { most_events, buffer_bytes, ..ClientConfig::default() };
            let (client, losses) = client(config, &way);
            let mut ids = Vec::new();
            for n_events in bursts {
                ids.extend(track(&client, n_events).await);
                let Stats { tracked, sent, refused, dropped, waiting, .. } = client.stats();
                assert_eq!(tracked, sent + refused + dropped + waiting);
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            client.flush().await;
            assert_eq!((server.ids().await, losses.take()), (ids, vec![]));
        });
    }
}
