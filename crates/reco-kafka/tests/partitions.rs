//! Users are in the partitions where Kafka's own client puts them, by that client.
//!
//! Needs Kafka's jars as the tests with brokers do.

#[path = "broker/mod.rs"]
mod broker;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use reco_kafka::partition_of;
use std::io::Write;
use std::process::{Command, Stdio};

/// Keys of all lengths from 1, of letters from all over Unicode.
fn keys(n_keys: usize) -> Vec<String> {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let mut letter = move || match random.random_range(0..4_u8) {
        0 | 1 => random.random_range('!'..='~'),
        2 => random.random_range('\u{a1}'..='\u{7ff}'),
        _ => random.random_range('\u{4e00}'..='\u{1ffff}'),
    };
    (0..n_keys).map(|number| (0..=number % 40).map(|_| letter()).collect()).collect()
}

#[test]
fn a_users_partition_is_the_one_that_java_computes() {
    let Some(jars) = broker::jars() else { return };
    let keys = keys(20_000);
    for partitions in [1, 7, 100] {
        let mut java = Command::new("java")
            .args(["-cp", &format!("{}/*", jars.display())])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java/Partitions.java"))
            .arg(partitions.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("java runs");
        let mut input = java.stdin.take().expect("a pipe");
        input.write_all(keys.join("\n").as_bytes()).expect("java reads");
        drop(input);
        let output = java.wait_with_output().expect("java ends");
        let theirs: Vec<u32> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| line.parse().expect("a number"))
            .collect();
        let ours: Vec<u32> = keys.iter().map(|key| partition_of(key, partitions)).collect();
        assert_eq!(ours.len(), theirs.len());
        for (key, (ours, theirs)) in keys.iter().zip(ours.iter().zip(&theirs)) {
            assert_eq!(ours, theirs, "{key:?} of {partitions}");
        }
    }
}
