//! Which shards can be read now. Pure.

use std::collections::HashMap;

/// How far a shard was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkpoint {
    /// Nothing of it was applied: it starts at its oldest record, never at its newest.
    Start,
    /// Everything up to this sequence number was applied.
    At(String),
    /// Everything was applied, and there will be no more.
    Ended,
}

const START: &str = "TRIM_HORIZON";
const ENDED: &str = "SHARD_END";

impl Checkpoint {
    /// The checkpoint as it is stored.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Start => START,
            Self::At(sequence) => sequence,
            Self::Ended => ENDED,
        }
    }
}

impl From<&str> for Checkpoint {
    fn from(text: &str) -> Self {
        match text {
            START => Self::Start,
            ENDED => Self::Ended,
            sequence => Self::At(sequence.to_owned()),
        }
    }
}

/// One shard as its lease row knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// The shard that it goes on from.
    pub parent: Option<String>,
    /// How far it was read.
    pub checkpoint: Checkpoint,
}

/// The shards that can be read: not ended, and their parents are ended or no longer there.
///
/// Whether a shard is closed is told by the end of its records alone: an open shard may carry an ending sequence
/// number.
pub fn readable(shards: &[Shard]) -> Vec<&Shard> {
    let by_id: HashMap<&str, &Shard> = shards.iter().map(|shard| (shard.id.as_str(), shard)).collect();
    let parent_done = |shard: &Shard| match shard.parent.as_deref().and_then(|parent| by_id.get(parent)) {
        Some(parent) => parent.checkpoint == Checkpoint::Ended,
        None => true,
    };
    shards.iter().filter(|shard| shard.checkpoint != Checkpoint::Ended && parent_done(shard)).collect()
}
