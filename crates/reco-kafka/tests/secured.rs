//! A broker that talks to nobody in the open, and to nobody it does not know.
#![cfg(feature = "tls")]

mod broker;

use broker::{Access, Brokers, events};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reco_core::error::FaultKind;
use reco_core::store::{EventSink, EventSource};
use reco_kafka::{KafkaConfig, KafkaSink, KafkaSource, Properties, topics};
use std::fs;
use std::path::{Path, PathBuf};

const PASSWORD: &str = "a-secret";

/// An authority of its own, and a key for 127.0.0.1 with its certificate, in one file.
struct Certificates {
    authority: PathBuf,
    broker: PathBuf,
}

impl Certificates {
    fn write(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let authority = authority.expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let write = |part: &str, text: String| {
            let path = folder.join(format!("{name}-{part}.pem"));
            fs::write(&path, text).expect("the folder can be written");
            path
        };
        Self {
            authority: write("authority", authority.pem()),
            broker: write("broker", key.serialize_pem() + &certificate.pem() + &authority.pem()),
        }
    }
}

fn properties(authority: &Path, mechanism: &str, password: &str) -> Properties {
    let authority = authority.to_str().expect("a path in UTF-8");
    [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", authority),
        ("sasl.mechanism", mechanism),
        ("sasl.username", "reco"),
        ("sasl.password", password),
    ]
    .into_iter()
    .collect()
}

/// A user `reco` with a password, by PLAIN and by SCRAM; brokers know each other as `broker`.
fn access(certificates: &Certificates) -> Access {
    let login = "org.apache.kafka.common.security";
    let settings = format!(
        "ssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={}\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n\
         sasl.mechanism.inter.broker.protocol=PLAIN\n\
         listener.name.sasl_ssl.plain.sasl.jaas.config={login}.plain.PlainLoginModule required \
         username=\"broker\" password=\"{PASSWORD}\" user_broker=\"{PASSWORD}\" user_reco=\"{PASSWORD}\";\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;\n",
        certificates.broker.display(),
        certificates.authority.display(),
    );
    Access {
        protocol: "SASL_SSL",
        settings,
        scram: vec![format!("SCRAM-SHA-512=[name=reco,password={PASSWORD}]")],
        properties: properties(&certificates.authority, "PLAIN", PASSWORD),
    }
}

async fn check_lets_in(config: KafkaConfig) {
    topics::prepare(&config).await.expect("the topics are made");
    let sink = KafkaSink::open(&config).expect("a sink");
    assert_eq!(sink.append(&events(0..50)).await.expect("events are kept").accepted(), 50);
    let mut source = KafkaSource::open(&config, "features").expect("a source");
    let mut n_read = 0;
    while n_read < 50 {
        n_read += source.poll(100).await.expect("events are read").len();
    }
    source.commit().await.expect("the group may commit");
    source.close().await;
}

/// Whoever is not let in is told so in bounded time, without the password.
async fn check_keeps_out(config: KafkaConfig) {
    let config = KafkaConfig { answer_timeout_ms: 2_000, delivery_timeout_ms: 3_000, ..config };
    let refused = topics::prepare(&config).await.expect_err("nobody says what topics there are").to_string();
    let sink = KafkaSink::open(&config).expect("a sink");
    let fault = sink.append(&events(0..1)).await.expect_err("nothing is kept");
    assert_eq!(fault.kind, FaultKind::Unavailable, "{}", fault.message());
    for told in [&refused, &fault.message()] {
        assert!(told.contains("Does it let us in?") && !told.contains(PASSWORD), "{told}");
    }
    assert!(!format!("{sink:?}").contains(PASSWORD), "{sink:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_known_is_let_in_and_nobody_else() {
    let Some(jars) = broker::jars() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let certificates = Certificates::write(folder.path(), "ours");
    let others = Certificates::write(folder.path(), "others");
    let brokers = Brokers::start_with(&jars, 1, &access(&certificates));
    let with = |properties| KafkaConfig { properties, ..brokers.config("secured") };
    check_lets_in(with(properties(&certificates.authority, "PLAIN", PASSWORD))).await;
    check_lets_in(with(properties(&certificates.authority, "SCRAM-SHA-512", PASSWORD))).await;
    check_keeps_out(with(properties(&certificates.authority, "PLAIN", "tea"))).await;
    check_keeps_out(with(properties(&certificates.authority, "SCRAM-SHA-512", "tea"))).await;
    // A broker that our authority does not vouch for gets no password.
    check_keeps_out(with(properties(&others.authority, "PLAIN", PASSWORD))).await;
    check_keeps_out(with(Properties::default())).await;
}
