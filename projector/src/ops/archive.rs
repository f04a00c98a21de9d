//! The file into which the log is exported: a line of JSON each.
//!
//! First how it was made, then the checkpoints, the heads of the last of them, every commit, and at the end how many
//! there were. Nothing in it is open that is sealed in the log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{checkpoints::Signed, scan::Text};

/// Name and number of the format.
pub(super) const FORMAT: &str = "fieldfuze log 1";

/// How many lines of a kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) checkpoints: u64,
    pub(super) heads: u64,
    pub(super) commits: u64,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// How it was made.
    Made {
        format: String,
        at: DateTime<Utc>,
        /// The public key of the checkpoints (Ed25519, base64), as the exporter has it.
        checkpoint_key: String,
    },
    /// A checkpoint.
    Checkpoint(Signed),
    /// A head of the last checkpoint.
    Head(String),
    /// A commit: each attribute as it is stored.
    Commit(Text),
    /// The end: how many lines of each kind there are before it.
    End(Counts),
}
