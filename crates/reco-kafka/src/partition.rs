//! Which partition a user's events are in: the murmur2 hash that Kafka's own clients use.

const SEED: u32 = 0x9747_b28c;
const MIX: u32 = 0x5bd1_e995;

/// The partition of a topic of `partitions` in which the events of a user are.
///
/// The same as Kafka's Java client computes for a message with this key, so that messages by others join ours.
///
/// ```
/// assert_eq!(reco_kafka::partition_of("ann", 100), 74);
/// ```
///
/// # Panics
///
/// When `partitions` is 0: no topic has none.
pub fn partition_of(user: &str, partitions: u32) -> u32 {
    assert!(partitions > 0, "a topic has at least one partition");
    // The sign is dropped rather than the number turned, as Java does.
    (murmur2(user.as_bytes()) & 0x7fff_ffff) % partitions
}

/// Austin Appleby's MurmurHash2 of 32 bits, with the seed that Kafka took.
fn murmur2(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = SEED ^ bytes.len() as u32;
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MIX);
        mixed ^= mixed >> 24;
        hash = hash.wrapping_mul(MIX) ^ mixed.wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ hash >> 15
}
