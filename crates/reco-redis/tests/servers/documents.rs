//! Features of items and vectors of users, read and written by us and by others.

use crate::rig::cluster::Cluster;
use crate::rig::{Server, age, present};
use reco_core::error::FaultKind;
use reco_core::id::{ItemKey, UserKey};
use reco_redis::{ItemDocuments, UserEmbeddings};
use std::collections::HashMap;
use std::time::Duration;

const WEEK: Duration = Duration::from_hours(7 * 24);

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_an_item_are_written_each_by_itself() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let items = ItemDocuments::new(&server.client(), WEEK).unwrap();
    let (tea, jam) = (ItemKey::from("tea"), ItemKey::from("jam"));
    assert_eq!(items.read_many(&[&tea]).await.unwrap(), [None]);
    let first = [("content.category", "drinks"), ("content.colour", "green"), ("popularity.views", "3")];
    items.write_many(&[(&tea, &first), (&jam, &[("engagement.ctr", "0.1")])]).await.unwrap();
    items.write_many(&[(&tea, &[("content.category", "käse")])]).await.unwrap();
    let read = items.read_many(&[&tea, &"other".into(), &jam]).await.unwrap();
    let [Some(tea_now), None, Some(jam_now)] = &read[..] else { panic!("{read:?}") };
    let fields: Vec<(&str, &str)> = tea_now.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(fields, [("content.category", "käse"), ("popularity.views", "3")]);
    assert_eq!((tea_now.version, jam_now.version), (2, 1));

    let plain: HashMap<String, String> =
        redis::cmd("HGETALL").arg("item_features:{tea}").query(&mut server.direct()).unwrap();
    assert_eq!((&*plain["content.category"], &*plain["version"]), ("käse", "2"));
    for name in ["colour", "contents.colour", "version", "demographic.age"] {
        let fault = items.write_many(&[(&tea, &[(name, "x")])]).await.unwrap_err();
        assert!(fault.kind == FaultKind::Invalid && fault.message().contains(name), "{}", fault.message());
    }
    age(server.port, WEEK);
    assert_eq!(items.read_many(&[&tea, &jam]).await.unwrap(), [None, None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_read_as_they_were_written() {
    if !present() {
        return;
    }
    let cluster = Cluster::start();
    let embeddings = UserEmbeddings::new(&cluster.client(), WEEK).unwrap();
    let users: Vec<UserKey> = (0..100).map(|user| format!("user {user}").into()).collect();
    let vectors: Vec<Vec<f32>> = (0..100).map(|user| vec![user as f32 / 7.0, -0.0, f32::MIN]).collect();
    let rows: Vec<(&UserKey, &[f32])> =
        users.iter().zip(&vectors).map(|(user, row)| (user, &row[..])).collect();
    embeddings.write_many(&rows).await.unwrap();
    let asked: Vec<&UserKey> = users.iter().collect();
    let read = embeddings.read_many(&asked).await.unwrap();
    for (embedding, vector) in read.iter().zip(&vectors) {
        let embedding = embedding.as_ref().unwrap();
        assert_eq!((&embedding.vector, embedding.version), (vector, 1));
    }
    assert_eq!(embeddings.read_many(&[&"nobody".into()]).await.unwrap(), [None]);
    for wrong in [&[][..], &[1.0, f32::NAN]] {
        let fault = embeddings.write_many(&[(&users[0], wrong)]).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Invalid, "{}", fault.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_others_are_read_or_refused() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let embeddings = UserEmbeddings::new(&server.client(), WEEK).unwrap();
    let ann = UserKey::from("ann");
    let write = |vector: &[u8]| {
        let mut command = redis::cmd("HSET");
        command.arg("user_embedding:{ann}").arg("vector").arg(vector).arg("dim").arg(2);
        command.arg("version").arg(4).arg("updated_at").arg(1_700_000_000_000i64);
        command.exec(&mut server.direct()).unwrap();
    };
    write(&[0, 0, 0, 63, 0, 0, 128, 191]);
    let read = embeddings.read_many(&[&ann]).await.unwrap().pop().flatten().unwrap();
    assert_eq!((read.vector, read.version), (vec![0.5, -1.0], 4));
    for damaged in [&[0; 7][..], &[0; 12]] {
        write(damaged);
        let fault = embeddings.read_many(&[&ann]).await.unwrap_err();
        assert!(fault.message().contains("user_embedding:{ann}"), "{}", fault.message());
        assert_eq!(fault.kind, FaultKind::Invalid);
    }
}
