//! Names of keys.

use std::fmt::Write;

/// Makes keys under one prefix, and those of documents under one of their own.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    documents: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str, documents: &str) -> Self {
        let documents = if documents.is_empty() { String::new() } else { format!("{documents}:") };
        Self { prefix: prefix.to_owned(), documents }
    }

    /// `prefix:room:name`, any text as the name.
    pub(crate) fn plain(&self, room: &str, name: &str) -> String {
        format!("{}:{room}:{name}", self.prefix)
    }

    /// `room:{owner}`, behind the documents' prefix if there is one.
    pub(crate) fn document(&self, room: &str, owner: &str) -> String {
        format!("{}{room}:{{{}}}", self.documents, tag(owner))
    }

    /// `prefix:room:{owner}`.
    pub(crate) fn owner(&self, room: &str, owner: &str) -> String {
        format!("{}:{room}:{{{}}}", self.prefix, tag(owner))
    }

    /// `prefix:room:{owner}:rest`: all keys of one owner are in one slot of a cluster.
    pub(crate) fn owned(&self, room: &str, owner: &str, rest: impl std::fmt::Display) -> String {
        format!("{}:{room}:{{{}}}:{rest}", self.prefix, tag(owner))
    }
}

/// What stands between the braces. What would end it, or leave nothing in it, is written as in URLs.
fn tag(owner: &str) -> String {
    if owner.is_empty() {
        // No other owner is written so: a percent sign of its own becomes %25.
        return "%".to_owned();
    }
    let mut tag = String::with_capacity(owner.len());
    for c in owner.chars() {
        match c {
            '{' | '}' | '%' => write!(tag, "%{:02X}", c as u32).expect("writing to a string does not fail"),
            _ => tag.push(c),
        }
    }
    tag
}

/// The slot of a cluster that a key belongs to, by the part between its first braces, if there is one.
pub(crate) fn slot(key: &[u8]) -> u16 {
    let open = key.iter().position(|byte| *byte == b'{');
    let inner = open.and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|byte| *byte == b'}').map(|close| &rest[..close])
    });
    crc16(inner.filter(|inner| !inner.is_empty()).unwrap_or(key)) % 16_384
}

/// CRC-16/XMODEM: polynomial x¹⁶ + x¹² + x⁵ + 1, as Redis Cluster's specification has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"a:{foo}:b"), slot(b"foo"));
        assert_eq!(slot(b"{}foo"), crc16(b"{}foo") % 16_384, "nothing between braces is no tag");
    }

    #[test]
    fn documents_have_a_prefix_if_one_is_wanted() {
        assert_eq!(Keys::new("reco", "").document("user_features", "ann"), "user_features:{ann}");
        assert_eq!(Keys::new("reco", "shop").document("user_features", "ann"), "shop:user_features:{ann}");
    }

    proptest! {
        #[test]
        fn owners_keep_together_and_apart(a in "[a{}%:]{0,4}", b in "[a{}%:]{0,4}") {
            let keys = Keys::new("reco", "");
            let (one, other) = (keys.owned("seen", &a, 1), keys.owned("seen", &a, 22));
            prop_assert_eq!(slot(one.as_bytes()), slot(other.as_bytes()));
            prop_assert_eq!(slot(one.as_bytes()), slot(keys.document("user_features", &a).as_bytes()));
            prop_assert_eq!(a == b, keys.owned("seen", &a, 1) == keys.owned("seen", &b, 1));
        }
    }
}
