//! Up to when everything that was recorded is applied, by the lease rows of the log's shards. Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

/// What a shard's lease row says of how far it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position<'a> {
    /// ARN of the stream: another stream of the same table has shards of its own.
    pub stream: &'a str,
    /// The shard.
    pub shard: &'a str,
    /// The shards that it goes on from.
    pub parents: Vec<&'a str>,
    /// Whether it was read to its end.
    pub ended: bool,
    /// Everything recorded in it up to then has been applied. `None`: unknown.
    pub applied_until: Option<DateTime<Utc>>,
}

/// The moment up to which everything recorded has been applied. `None` while it is unknown for one shard, and when there
/// are no shards. A shard that has ended counts until a row names it as its parent: what is recorded after its end goes
/// to a child, which nobody may have found yet.
///
/// It knows only of what has a row: while the first survey is under way, or a second child is found later than the first,
/// what is not found yet is not counted.
pub fn complete_until(positions: &[Position<'_>]) -> Option<DateTime<Utc>> {
    let continued: BTreeSet<(&str, &str)> = positions
        .iter()
        .flat_map(|position| position.parents.iter().map(|parent| (position.stream, *parent)))
        .collect();
    let counts = |position: &&Position<'_>| !position.ended || !continued.contains(&(position.stream, position.shard));
    let counting = positions.iter().filter(counts).map(|position| position.applied_until);
    // An unknown one is the least of all.
    counting.min().flatten()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn shard<'a>(shard: &'a str, parents: &[&'a str], applied_until: Option<i64>) -> Position<'a> {
        let applied_until = applied_until.map(at);
        Position { stream: "arn/1", shard, parents: parents.to_vec(), ended: false, applied_until }
    }

    fn ended<'a>(name: &'a str, parents: &[&'a str], applied_until: Option<i64>) -> Position<'a> {
        Position { ended: true, ..shard(name, parents, applied_until) }
    }

    #[test]
    fn an_ended_shard_counts_until_a_child_stands_for_it() {
        let (parent, other) = (ended("a", &[], Some(1)), shard("x", &[], Some(9)));
        assert_eq!(complete_until(&[parent.clone(), other.clone()]), Some(at(1)));
        assert_eq!(complete_until(std::slice::from_ref(&parent)), Some(at(1)));
        assert_eq!(complete_until(&[parent.clone(), other.clone(), shard("b", &["a"], Some(3))]), Some(at(3)));
        // The child has ended as well, and it is its turn to count.
        let grown = [parent.clone(), other.clone(), ended("b", &["a"], Some(3))];
        assert_eq!(complete_until(&grown), Some(at(3)));
        // A shard of the same name in another stream is another shard.
        let foreign = Position { stream: "arn/2", ..shard("b", &["a"], Some(3)) };
        assert_eq!(complete_until(&[parent, other, foreign]), Some(at(1)));
    }

    #[test]
    fn one_unknown_position_makes_the_whole_unknown() {
        assert_eq!(complete_until(&[shard("a", &[], None), shard("b", &[], Some(1))]), None);
        assert_eq!(complete_until(&[ended("a", &[], None), shard("b", &[], Some(1))]), None);
        assert_eq!(complete_until(&[ended("a", &[], None), shard("b", &["a"], Some(1))]), Some(at(1)));
        assert_eq!(complete_until(&[]), None);
    }
}
