//! What an auditor signs: the heads of all streams at one moment, and the checkpoint before.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    chain::Hash,
    commit::timestamp,
    stream::{StreamId, Version},
};

/// The end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its last version.
    pub version: Version,
    /// The hash of that commit.
    pub hash: Hash,
}

/// A checkpoint without its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// 1, 2, 3, …
    pub number: u64,
    /// When it was taken.
    pub taken_at: DateTime<Utc>,
    /// How many streams there were.
    pub streams: u64,
    /// How many commits they had.
    pub commits: u64,
    /// SHA-256 over the heads.
    pub heads: String,
    /// SHA-256 over the checkpoint before, as it was signed; zeros for the first.
    pub previous: String,
}

impl Checkpoint {
    /// The bytes that are signed: each part behind its length (64 bits, big endian).
    pub fn signed_bytes(&self) -> Vec<u8> {
        let parts = [
            "fieldfuze checkpoint 1".to_owned(),
            self.number.to_string(),
            timestamp(self.taken_at),
            self.streams.to_string(),
            self.commits.to_string(),
            self.heads.clone(),
            self.previous.clone(),
        ];
        let behind_length = |part: &String| [&(part.len() as u64).to_be_bytes()[..], part.as_bytes()].concat();
        parts.iter().flat_map(behind_length).collect()
    }

    /// What the next checkpoint names as its predecessor.
    pub fn digest(&self) -> String {
        Hash::of(Sha256::digest(self.signed_bytes()).into()).to_string()
    }
}

/// SHA-256 over the heads in the order of their streams, a line each.
pub fn digest_of(heads: &BTreeMap<StreamId, Head>) -> String {
    let mut hasher = Sha256::new();
    for (stream, head) in heads {
        hasher.update(line(*stream, *head));
        hasher.update("\n");
    }
    Hash::of(hasher.finalize().into()).to_string()
}

/// A head as one line of text.
pub fn line(stream: StreamId, head: Head) -> String {
    format!("{stream} {} {}", head.version, head.hash)
}

/// Reads a line.
pub fn parse_line(line: &str) -> Option<(StreamId, Head)> {
    let mut words = line.split(' ');
    let (stream, version, hash) =
        (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some((stream, Head { version: Version(version), hash }))
}
