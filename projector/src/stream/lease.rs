//! A lease: the right to read one shard, and how far it was read. Pure.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Stands in the place of a shard's id in the key of the leader's lease. No shard is called so.
pub const LEADER: &str = "leader";

const START: &str = "TRIM_HORIZON";
const END: &str = "SHARD_END";

/// How far a shard was read, with durable effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkpoint {
    /// Nothing yet: reading begins at the oldest record that is left.
    Start,
    /// Up to this sequence number, itself included.
    After(String),
    /// All of it: the shard was closed and its last record applied.
    End,
}

impl Checkpoint {
    /// As it is stored: a sequence number, `TRIM_HORIZON` or `SHARD_END`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Start => START,
            Self::After(sequence) => sequence,
            Self::End => END,
        }
    }

    /// Reads what [`Self::as_str`] gave. `None` if it is none of them.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            START => Some(Self::Start),
            END => Some(Self::End),
            digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Self::After(digits.to_owned()))
            }
            _ => None,
        }
    }
}

/// One row of the lease table.
///
/// The counter grows by one with every write of an owner and with every change of owner, so whoever sees it stand still
/// for the lease time knows that the owner is gone. A request ([`Self::asked_by`]) leaves it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// ARN of the stream: another stream of the same table has leases of its own.
    pub stream: String,
    /// The shard, or [`LEADER`].
    pub shard: String,
    /// The process that reads the shard.
    pub owner: Option<Uuid>,
    /// Grows with every write but a request.
    pub counter: u64,
    /// How far. Of no meaning in the leader's lease, and not stored there.
    pub checkpoint: Checkpoint,
    /// The shards that this one goes on from.
    pub parents: Vec<String>,
    /// Everything recorded in this shard up to then has been applied. `None`: unknown.
    pub position_at: Option<DateTime<Utc>>,
    /// The process that asked the owner to hand the lease over.
    pub wanted_by: Option<Uuid>,
    /// Whatever its owner begins to apply is applied by the handler's plan of this number, or a later one.
    pub plan: u64,
}

impl Lease {
    /// The lease of a shard that nobody has read yet. `position_at` is known when everything before the shard's first
    /// record is known to be applied.
    pub fn of_shard(stream: &str, shard: &str, parents: Vec<String>, position_at: Option<DateTime<Utc>>) -> Self {
        Self {
            stream: stream.to_owned(),
            shard: shard.to_owned(),
            owner: None,
            counter: 0,
            checkpoint: Checkpoint::Start,
            parents,
            position_at,
            wanted_by: None,
            plan: 0,
        }
    }

    /// The leader's lease, held by `owner`.
    pub fn of_leader(stream: &str, owner: Uuid) -> Self {
        Self { owner: Some(owner), ..Self::of_shard(stream, LEADER, Vec::new(), None) }
    }

    /// The row's key.
    pub fn key(&self) -> String {
        format!("{}/{}", self.stream, self.shard)
    }

    /// Whether this is the leader's lease.
    pub fn is_leaders(&self) -> bool {
        self.shard == LEADER
    }

    /// Whether the shard was read to its end.
    pub fn is_finished(&self) -> bool {
        self.checkpoint == Checkpoint::End
    }

    /// The row after `owner` has taken it.
    #[must_use]
    pub fn taken_by(&self, owner: Uuid) -> Self {
        Self { owner: Some(owner), counter: self.counter + 1, wanted_by: None, ..self.clone() }
    }

    /// The row after its owner has gone on. A position never goes back: what was applied stays applied.
    #[must_use]
    pub fn renewed(&self, checkpoint: Checkpoint, position_at: Option<DateTime<Utc>>) -> Self {
        let position_at = self.position_at.max(position_at);
        Self { counter: self.counter + 1, checkpoint, position_at, ..self.clone() }
    }

    /// The row after its owner has let go. A request stays, so that who asked comes first.
    #[must_use]
    pub fn released(&self) -> Self {
        Self { owner: None, counter: self.counter + 1, ..self.clone() }
    }

    /// The row after `who` has asked for it.
    #[must_use]
    pub fn asked_by(&self, who: Uuid) -> Self {
        Self { wanted_by: Some(who), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        for checkpoint in [Checkpoint::Start, Checkpoint::After("000000000000000000042".into()), Checkpoint::End] {
            assert_eq!(Checkpoint::parse(checkpoint.as_str()), Some(checkpoint));
        }
        for junk in ["", "LATEST", "12x", "shard_end"] {
            assert_eq!(Checkpoint::parse(junk), None, "{junk}");
        }
    }

    #[test]
    fn a_position_never_goes_back() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let lease = Lease::of_shard("arn", "a", vec![], Some(now));
        let earlier = Some(now - TimeDelta::seconds(1));
        assert_eq!(lease.renewed(Checkpoint::Start, earlier).position_at, Some(now));
        assert_eq!(lease.renewed(Checkpoint::Start, None).position_at, Some(now));
    }

    #[test]
    fn a_request_outlives_the_release_and_ends_with_the_taking() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let asked = Lease::of_shard("arn", "a", vec![], None).taken_by(a).asked_by(b);
        assert_eq!((asked.counter, asked.wanted_by), (1, Some(b)));
        let released = asked.released();
        assert_eq!((released.owner, released.counter, released.wanted_by), (None, 2, Some(b)));
        let taken = released.taken_by(b);
        assert_eq!((taken.owner, taken.counter, taken.wanted_by), (Some(b), 3, None));
    }
}
