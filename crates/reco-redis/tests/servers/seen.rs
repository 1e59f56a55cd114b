//! Ids of events: each is new once.

use crate::rig::toxiproxy::Toxiproxy;
use crate::rig::{Server, age, client, eventually_async, present};
use reco_core::event::EventId;
use reco_core::id::UserKey;
use reco_redis::SeenIds;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_new_once_until_it_expires_or_is_forgotten() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let seen = SeenIds::new(&server.client(), DAY).unwrap();
    let (ann, bob) = (UserKey::from("ann"), UserKey::from("b}o{b"));
    let batch = [(&ann, EventId(1)), (&ann, EventId(2)), (&ann, EventId(1)), (&bob, EventId(1))];
    assert_eq!(seen.mark(&batch).await.unwrap(), [true, true, false, true]);
    assert_eq!(seen.mark(&batch).await.unwrap(), [false; 4]);
    assert_eq!(seen.mark(&[]).await.unwrap(), [true; 0]);
    seen.forget(&[(&ann, EventId(2))]).await.unwrap();
    assert_eq!(seen.mark(&batch).await.unwrap(), [false, true, false, false]);
    age(server.port, DAY);
    assert_eq!(seen.mark(&batch).await.unwrap(), [true, true, false, true]);
    let wrong = SeenIds::new(&server.client(), Duration::ZERO).unwrap_err().to_string();
    assert!(wrong.contains("ttl of seen ids is 0ns"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_is_first() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let seen = SeenIds::new(&server.client(), DAY).unwrap();
            tokio::spawn(async move {
                let ann = UserKey::from("ann");
                let ids: Vec<(&UserKey, EventId)> = (0..500).map(|id| (&ann, EventId(id))).collect();
                seen.mark(&ids).await.unwrap()
            })
        })
        .collect();
    let mut firsts = vec![0; 500];
    for task in tasks {
        for (count, new) in firsts.iter_mut().zip(task.await.unwrap()) {
            *count += u32::from(new);
        }
    }
    assert!(firsts.iter().all(|count| *count == 1), "each of 500 ids is new to one of 16");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_does_not_make_new_ids_old() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let Some(proxy) = Toxiproxy::before(server.port) else { return };
    let seen = Arc::new(SeenIds::new(&client(proxy.config()), DAY).unwrap());
    let ann = UserKey::from("ann");
    assert_eq!(seen.mark(&[(&ann, EventId(1))]).await.unwrap(), [true]);
    proxy.lose_answers();
    let marking = tokio::spawn({
        let (seen, ann) = (Arc::clone(&seen), ann.clone());
        async move { seen.mark(&[(&ann, EventId(1)), (&ann, EventId(2))]).await }
    });
    let server = &server;
    eventually_async("the server has taken what it could not confirm", || async {
        redis::cmd("EXISTS")
            .arg(format!("reco:seen:{{ann}}:{}", EventId(2)))
            .query(&mut server.direct())
            .unwrap()
    })
    .await;
    proxy.mend();
    assert_eq!(marking.await.unwrap().unwrap(), [false, true], "the answer is that of the first attempt");
}
