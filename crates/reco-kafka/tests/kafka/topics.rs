//! Topics are created as configured, and differences are told with what to do about them.

use crate::shared;
use reco_core::error::FaultKind;
use reco_core::store::EventSink;
use reco_kafka::{KafkaConfig, KafkaError, KafkaSink, topics};

async fn check(config: &KafkaConfig, expected: &[&str]) {
    let told = topics::prepare(config).await.unwrap_err().to_string();
    for part in expected {
        assert!(told.contains(part), "\"{part}\" is not in: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_once_and_then_checked() {
    let Some(brokers) = shared() else { return };
    let config = KafkaConfig { partitions: 100, ..brokers.config("created") };
    topics::prepare(&config).await.unwrap();
    topics::prepare(&config).await.unwrap();
    let topic = &config.topic;
    check(
        &KafkaConfig { partitions: 120, ..config.clone() },
        &["has 100 partitions, must have 120", &format!("--alter --topic {topic} --partitions 120")],
    )
    .await;
    check(
        &KafkaConfig { partitions: 50, ..config.clone() },
        &["set partitions to 100", &format!("--delete --topic {topic}")],
    )
    .await;
    check(
        &KafkaConfig { replication: 2, min_in_sync: 2, max_event_kb: 2_000, ..config.clone() },
        &[
            "is kept on 1 brokers, must be on 2",
            &format!("--entity-name {topic} --alter --add-config min.insync.replicas=2"),
            &format!("--entity-name {topic}.dead --alter --add-config min.insync.replicas=2"),
            "--add-config max.message.bytes=2048000",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_with_the_command_that_creates_it() {
    let Some(brokers) = shared() else { return };
    let config = KafkaConfig { create_topics: false, ..brokers.config("missing") };
    let command = format!(
        "kafka-topics.sh --bootstrap-server {} --create --topic {} --partitions 5 --replication-factor 1 --config \
         min.insync.replicas=1",
        config.brokers, config.topic
    );
    check(&config, &[&command, &format!("topic {} does not exist", config.dead_letters)]).await;
    check(&config, &["does not exist"]).await;
    let config = KafkaConfig { create_topics: true, replication: 3, ..config };
    check(&config, &["replication is 3, must be at most the number of brokers"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_in_good_time() {
    let Some(_) = shared() else { return };
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let config = KafkaConfig {
        brokers: nobody.to_string(),
        answer_timeout_ms: 2_000,
        delivery_timeout_ms: 1_000,
        ..KafkaConfig::default()
    };
    check(&config, &[&nobody.to_string(), "answer_timeout_ms is 2000, is there a broker?"]).await;
    let sink = KafkaSink::open(&config).unwrap();
    let fault = sink.append(&crate::broker::events(0..3)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(fault.message().contains("0 of 3 events are known to be kept"), "{}", fault.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_told_all_at_once() {
    let properties = [("sasl.mechanismus", "PLAIN")].into_iter().collect();
    let config = KafkaConfig { properties, ..KafkaConfig::default() };
    let told = KafkaSink::open(&config).unwrap_err();
    assert!(
        matches!(&told, KafkaError::Client { .. }) && told.to_string().contains("sasl.mechanismus"),
        "{told}"
    );
    let config = KafkaConfig { partitions: 0, topic: String::new(), ..KafkaConfig::default() };
    let told = topics::prepare(&config).await.unwrap_err();
    assert!(matches!(&told, KafkaError::Config(problems) if problems.len() == 2), "{told}");
}
