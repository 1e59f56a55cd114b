//! How a client ends, and what becomes of what it still has.

use crate::world::{Fate, Server, Way, click, client, track};
use reco_client::{Cause, ClientConfig, Event, TrackError};
use reco_http::HttpConfig;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn server() -> Server {
    Server::new(HttpConfig::default())
}

#[tokio::test(start_paused = true)]
async fn closing_sends_what_waits() {
    let server = server();
    let way = Way::new(&server, []);
    let (client, _) = client(ClientConfig::default(), &way);
    let ids = track(&client, 3).await;
    let begin = Instant::now();
    assert_eq!(client.close(Duration::from_secs(10)).await, []);
    assert_eq!((server.ids().await, begin.elapsed()), (ids, Duration::ZERO), "at once");
    assert_eq!(client.try_track(click(1)), Err(TrackError::Closed));
    assert_eq!(client.track(click(1)).await, Err(TrackError::Closed));
    client.flush().await;
    assert_eq!((client.close(Duration::ZERO).await, client.stats().turned_away), (vec![], 2));
}

#[tokio::test(start_paused = true)]
async fn closing_hands_back_what_could_not_be_sent_and_it_can_be_sent_later() {
    let server = server();
    let away = Way::new(&server, [Fate::AnswerLost].into_iter().chain(std::iter::repeat_n(Fate::Cut, 1_000)));
    let (first, losses) = client(ClientConfig::default(), &away);
    let mut ids = track(&first, 13).await;
    sleep(Duration::from_secs(1)).await;
    ids.extend(track(&first, 4).await);
    let begin = Instant::now();
    let left = first.close(Duration::from_secs(3)).await;
    assert_eq!((left.len(), begin.elapsed()), (17, Duration::from_secs(3)), "under way and waiting");
    assert_eq!((first.stats().dropped, losses.take()), (17, vec![]), "they were handed back");

    let saved = serde_json::to_string(&left).expect("events are JSON");
    let (second, _) = client(ClientConfig::default(), &Way::new(&server, []));
    for event in serde_json::from_str::<Vec<Event>>(&saved).expect("they are events") {
        second.track(event).await.expect("there is room");
    }
    assert_eq!(second.close(Duration::from_secs(3)).await, []);
    assert_eq!(server.ids().await, ids, "those whose answer was lost count once");
}

#[tokio::test(start_paused = true)]
async fn closing_cuts_a_long_pause_short() {
    let server = server();
    let way = Way::new(&server, [Fate::Status(503, Some(1_000))]);
    let (client, _) = client(ClientConfig::default(), &way);
    let ids = track(&client, 10).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(client.close(Duration::from_secs(1)).await, []);
    assert_eq!(server.ids().await, ids);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_room_hears_of_the_end() {
    let way = Way::new(&server(), std::iter::repeat_n(Fate::Cut, 1_000));
    let config = ClientConfig { buffer_bytes: 1_024, ..ClientConfig::default() };
    let (client, _) = client(config, &way);
    while client.try_track(click(1)).is_ok() {}
    let (tracked, left) = tokio::join!(client.track(click(2)), client.close(Duration::from_secs(1)));
    assert_eq!(tracked, Err(TrackError::Closed));
    assert_eq!(left.len() as u64, client.stats().tracked);
}

#[tokio::test(start_paused = true)]
async fn dropping_sends_what_waits_without_holding_anybody_up() {
    let server = server();
    let (client, losses) = client(ClientConfig::default(), &Way::new(&server, [Fate::Cut]));
    let ids = track(&client, 4).await;
    let begin = Instant::now();
    drop(client);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    sleep(Duration::from_secs(1)).await;
    assert_eq!((server.ids().await, losses.take()), (ids, vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_client_cannot_send_in_time_is_reported() {
    let (client, losses) =
        client(ClientConfig::default(), &Way::new(&server(), std::iter::repeat_n(Fate::Cut, 1_000)));
    track(&client, 4).await;
    drop(client);
    sleep(Duration::from_millis(4_999)).await;
    assert_eq!(losses.take(), []);
    sleep(Duration::from_millis(2)).await;
    let lost = losses.take();
    assert!(lost.len() == 4 && lost.iter().all(|lost| lost.cause == Cause::Dropped), "{lost:?}");
}

#[test]
fn a_runtime_that_ends_first_loses_nothing_unheard() {
    let new = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let runtime = new();
    let way = Way::new(&server(), [Fate::Hangs]);
    let (client, losses) = runtime.block_on(async {
        let (client, losses) = client(ClientConfig::default(), &way);
        track(&client, 12).await;
        tokio::task::yield_now().await;
        (client, losses)
    });
    drop(runtime);
    assert_eq!((losses.take().len(), client.stats().dropped), (12, 12));
    assert_eq!(client.try_track(click(1)), Err(TrackError::Closed));
    let after = new().block_on(async {
        client.flush().await;
        (client.track(click(1)).await, client.close(Duration::from_secs(1)).await)
    });
    assert_eq!(after, (Err(TrackError::Closed), vec![]), "nobody waits for what is over");
}
