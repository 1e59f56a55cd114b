//! One server: the cache, who is let in, what is said when something is wrong.

use crate::rig::certificates::Certificates;
use crate::rig::{Server, age, client, direct, eventually_async, present, random};
use reco_core::cache::{Cache, CacheExt};
use reco_core::conformance;
use reco_core::error::FaultKind;
use reco_redis::{CallError, RedisCache, RedisConfig, RetryConfig, TlsConfig, Trouble};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_hours(1);

/// Why a fault of a cache came about.
fn cause(fault: &reco_core::error::Fault) -> &CallError {
    fault.source.as_ref().and_then(|source| source.downcast_ref()).expect("a fault has its cause")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_keeps_its_promises() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let port = server.port;
    let advance = move |by| age(port, by);
    let fresh = |prefix: &str| {
        let config = RedisConfig { prefix: prefix.into(), ..server.config() };
        RedisCache::new(&client(config))
    };
    conformance::cache(&fresh("value"), &advance).await;
    let boxed: Box<dyn Cache> = Box::new(fresh("boxed"));
    conformance::cache(&boxed, &advance).await;
    let shared: Arc<dyn Cache> = Arc::new(fresh("shared"));
    conformance::cache(&shared, &advance).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_counted() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let cache = RedisCache::new(&server.client());
    cache.put("k", "v".into(), Duration::MAX).await.unwrap();
    for key in ["k", "absent", "k"] {
        cache.get(key).await.unwrap();
    }
    assert_eq!((cache.counts().hits, cache.counts().misses), (2, 1));
    assert_eq!(cache.get_as("k", |bytes| Some(bytes.len())).await.unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_what_to_do_and_no_secret() {
    if !present() {
        return;
    }
    let password = format!("{:x}", random());
    let server = Server::start(&[]);
    let rule = format!("user reco on >{password} ~reco:* +get +set");
    redis::cmd("ACL")
        .arg("SETUSER")
        .arg(&rule.split(' ').collect::<Vec<_>>()[1..])
        .exec(&mut server.direct())
        .unwrap();
    let with = |user: &str, password: &str| RedisConfig {
        user: user.into(),
        password: password.into(),
        ..server.config()
    };

    let allowed = RedisCache::new(&client(with("reco", &password)));
    allowed.put("k", "v".into(), HOUR).await.unwrap();
    assert_eq!(allowed.get("k").await.unwrap().as_deref(), Some(&b"v"[..]));

    let wrong = format!("{password}x");
    let stranger = with("reco", &wrong);
    assert!(!format!("{:?} {stranger:?}", client(stranger.clone())).contains(&password));
    let refused = client(stranger).ping().await.unwrap_err();
    assert_eq!(refused.trouble, Trouble::NotAuthenticated, "{refused}");
    assert!(refused.to_string().contains(&server.address()), "{refused}");
    assert!(!refused.to_string().contains(&password), "{refused}");

    let fault = allowed.remove("k").await.unwrap_err();
    assert_eq!((cause(&fault).trouble, fault.kind), (Trouble::NotPermitted, FaultKind::Invalid));
    assert!(fault.message().contains("ACL SETUSER"), "{}", fault.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_can_be_encrypted() {
    if !present() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let ours = Certificates::write(folder.path(), "ours");
    let others = Certificates::write(folder.path(), "others");
    let [ca, certificate, key] =
        [&ours.ca, &ours.certificate, &ours.key].map(|path| path.display().to_string());
    let server = Server::start(&[
        "tls-cert-file",
        &certificate,
        "tls-key-file",
        &key,
        "tls-ca-cert-file",
        &ca,
        "tls-auth-clients",
        "yes",
    ]);
    let with = |tls: TlsConfig| client(RedisConfig { tls: Some(tls), ..few_attempts(server.config()) });
    let (ca, certificate, key) = (Some(ours.ca), Some(ours.certificate), Some(ours.key));
    let known = TlsConfig { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() };
    let cache = RedisCache::new(&with(known.clone()));
    cache.put("k", "v".into(), HOUR).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap().as_deref(), Some(&b"v"[..]));

    let of_another = with(TlsConfig { ca: Some(others.ca), ..known.clone() }).ping().await.unwrap_err();
    assert!(of_another.to_string().contains("certificate"), "{of_another}");
    let nameless = with(TlsConfig { certificate: None, key: None, ..known.clone() }).ping().await;
    nameless.expect_err("the server asks for a certificate");
    let plain = client(few_attempts(server.config())).ping().await;
    plain.expect_err("the server speaks to nobody in the open");

    let missing = RedisConfig {
        tls: Some(TlsConfig { ca: Some(folder.path().join("missing.pem")), ..known }),
        ..server.config()
    };
    let error = reco_redis::RedisClient::new(missing, Arc::new(reco_core::time::SystemClock), 1).unwrap_err();
    assert!(error.to_string().contains("tls.ca") && error.to_string().contains("missing.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_must_mend_is_not_tried_again() {
    if !present() {
        return;
    }
    let server = Server::start(&["maxmemory", "2mb", "maxmemory-policy", "noeviction"]);
    let cache = RedisCache::new(&server.client());
    redis::cmd("RPUSH").arg("reco:cache:list").arg(1).exec(&mut server.direct()).unwrap();
    let fault = cache.get("list").await.unwrap_err();
    assert_eq!((cause(&fault).trouble, fault.kind), (Trouble::WrongType, FaultKind::Internal));
    assert!(fault.message().contains("prefix of its own"), "{}", fault.message());

    let mut full = None;
    for place in 0..64 {
        if let Err(fault) = cache.put(&format!("k{place}"), vec![0; 100_000].into(), HOUR).await {
            full = Some(fault);
            break;
        }
    }
    let fault = full.expect("two megabytes are full");
    assert_eq!((cause(&fault).trouble, fault.kind), (Trouble::OutOfMemory, FaultKind::Unavailable));
    assert!(fault.message().contains("maxmemory"), "{}", fault.message());
    let calls: String = redis::cmd("INFO").arg("commandstats").query(&mut server.direct()).unwrap();
    let sets = calls.lines().find(|line| line.starts_with("cmdstat_set:")).unwrap();
    assert!(sets.contains("rejected_calls=1,"), "{sets}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_no_writes() {
    if !present() {
        return;
    }
    let primary = Server::start(&[]);
    let replica = Server::start(&["replicaof", &format!("127.0.0.1 {}", primary.port)]);
    let cache = RedisCache::new(&client(few_attempts(replica.config())));
    let fault = cache.put("k", "v".into(), HOUR).await.unwrap_err();
    assert_eq!((cause(&fault).trouble, fault.kind), (Trouble::ReadOnly, FaultKind::Unavailable));
    assert!(fault.message().contains(&replica.address()), "{}", fault.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_holds_nobody_up_and_is_used_again() {
    if !present() {
        return;
    }
    let server = Server::start(&[]);
    let config = RedisConfig { answer_ms: 200, call_ms: 500, ..server.config() };
    let cache = RedisCache::new(&client(config));
    cache.put("k", "v".into(), HOUR).await.unwrap();
    server.process.stop();
    let begun = Instant::now();
    let fault = cache.get("k").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Timeout, "{}", fault.message());
    // Half a second by the configuration; the rest is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    server.process.go_on();
    let cache = &cache;
    eventually_async("the server is used again", || async { cache.get("k").await.is_ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_away_is_found_again() {
    if !present() {
        return;
    }
    let mut server = Server::start(&[]);
    let cache = RedisCache::new(&client(few_attempts(server.config())));
    cache.put("k", "v".into(), HOUR).await.unwrap();
    server.process.kill();
    let fault = cache.get("k").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable, "{}", fault.message());
    server.restart();
    let cache = &cache;
    eventually_async("a new connection is made", || async { cache.get("k").await.is_ok() }).await;
    assert!(redis::cmd("PING").query::<String>(&mut direct(server.port)).is_ok());
}

/// Two attempts and no pauses, for what fails anyway.
fn few_attempts(config: RedisConfig) -> RedisConfig {
    RedisConfig { retry: RetryConfig { attempts: 2, base_ms: 0, cap_ms: 0 }, ..config }
}
