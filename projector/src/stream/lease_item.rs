//! A lease as an item of its table, and the difference of two as an update. Pure.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use events::commit::timestamp;
use uuid::Uuid;

use super::lease::{Checkpoint, LEADER, Lease};

pub(super) type Item = HashMap<String, AttributeValue>;

/// The partition key.
pub(super) const KEY: &str = "lease";
const OWNER: &str = "owner";
const COUNTER: &str = "counter";
const CHECKPOINT: &str = "checkpoint";
const PARENTS: &str = "parents";
const POSITION_AT: &str = "position_at";
const WANTED_BY: &str = "wanted_by";
const PLAN: &str = "plan";

/// A row of the lease table that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lease {key} has no readable {attribute}")]
pub struct Unreadable {
    /// Which row, as far as that can be told.
    pub key: String,
    /// What of it.
    pub attribute: &'static str,
}

/// A condition, a change, and what their placeholders stand for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Change {
    pub(super) condition: String,
    pub(super) update: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: Item,
}

/// The whole row. The leader's has no checkpoint, by which readers of positions tell it from a shard's.
pub(super) fn to_item(lease: &Lease) -> Item {
    let parents = lease.parents.iter().cloned().map(AttributeValue::S).collect();
    let checkpoint = (!lease.is_leaders()).then(|| text(lease.checkpoint.as_str()));
    let optional = [
        (CHECKPOINT, checkpoint),
        (OWNER, lease.owner.map(id)),
        (POSITION_AT, lease.position_at.map(moment)),
        (WANTED_BY, lease.wanted_by.map(id)),
        (PLAN, (lease.plan > 0).then(|| number(lease.plan))),
    ];
    [(KEY, text(&lease.key())), (COUNTER, number(lease.counter)), (PARENTS, AttributeValue::L(parents))]
        .into_iter()
        .chain(optional.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Reads a row.
pub(super) fn from_item(item: &Item) -> Result<Lease, Unreadable> {
    let key = item.get(KEY).and_then(|value| value.as_s().ok()).map_or("without a key", String::as_str);
    let lacks = |attribute| Unreadable { key: key.to_owned(), attribute };
    let uuid = |name: &'static str| match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => Uuid::parse_str(text).map(Some).map_err(|_| lacks(name)),
        Some(_) => Err(lacks(name)),
    };
    let (stream, shard) = key.rsplit_once('/').ok_or_else(|| lacks(KEY))?;
    let checkpoint = match item.get(CHECKPOINT) {
        Some(AttributeValue::S(text)) => Checkpoint::parse(text).ok_or_else(|| lacks(CHECKPOINT))?,
        None if shard == LEADER => Checkpoint::Start,
        _ => return Err(lacks(CHECKPOINT)),
    };
    let counter = item.get(COUNTER).and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok());
    let parents = item.get(PARENTS).and_then(|value| value.as_l().ok()).map(|parents| {
        parents.iter().map(|parent| parent.as_s().cloned().map_err(|_| lacks(PARENTS))).collect::<Result<_, _>>()
    });
    let position_at = match item.get(POSITION_AT) {
        None => None,
        Some(AttributeValue::S(text)) => Some(text.parse::<DateTime<Utc>>().map_err(|_| lacks(POSITION_AT))?),
        Some(_) => return Err(lacks(POSITION_AT)),
    };
    let plan = match item.get(PLAN) {
        None => 0,
        Some(AttributeValue::N(digits)) => digits.parse().map_err(|_| lacks(PLAN))?,
        Some(_) => return Err(lacks(PLAN)),
    };
    Ok(Lease {
        stream: stream.to_owned(),
        shard: shard.to_owned(),
        owner: uuid(OWNER)?,
        counter: counter.ok_or_else(|| lacks(COUNTER))?,
        checkpoint,
        parents: parents.ok_or_else(|| lacks(PARENTS))??,
        position_at,
        wanted_by: uuid(WANTED_BY)?,
        plan,
    })
}

/// The condition under which a row is still as it was seen: owner and counter. A request does not move the counter, so
/// it is compared as well by whoever changes it.
pub(super) fn unchanged(seen: &Lease, with_request: bool) -> Change {
    let mut change = Change::default();
    change.names.insert("#counter".to_owned(), COUNTER.to_owned());
    change.values.insert(":seen_counter".to_owned(), number(seen.counter));
    "#counter = :seen_counter".clone_into(&mut change.condition);
    change.require(OWNER, seen.owner);
    if with_request {
        change.require(WANTED_BY, seen.wanted_by);
    }
    change
}

/// The update that makes `seen` into `new`. Attributes that are alike are not written, so that neither a request that
/// came meanwhile nor an attribute of a newer build is overwritten.
pub(super) fn difference(seen: &Lease, new: &Lease) -> Change {
    let mut change = unchanged(seen, seen.wanted_by != new.wanted_by);
    change.values.insert(":counter".to_owned(), number(new.counter));
    let mut set = vec!["#counter = :counter".to_owned()];
    let mut remove = Vec::new();
    let differing = [
        (OWNER, seen.owner != new.owner, new.owner.map(id)),
        (CHECKPOINT, seen.checkpoint != new.checkpoint, Some(text(new.checkpoint.as_str()))),
        (POSITION_AT, seen.position_at != new.position_at, new.position_at.map(moment)),
        (WANTED_BY, seen.wanted_by != new.wanted_by, new.wanted_by.map(id)),
        (PLAN, seen.plan != new.plan, Some(number(new.plan))),
    ];
    for (name, _, value) in differing.into_iter().filter(|(_, differs, _)| *differs) {
        change.names.insert(format!("#{name}"), name.to_owned());
        if let Some(value) = value {
            change.values.insert(format!(":{name}"), value);
            set.push(format!("#{name} = :{name}"));
        } else {
            remove.push(format!("#{name}"));
        }
    }
    change.update = format!("SET {}", set.join(", "));
    if !remove.is_empty() {
        change.update = format!("{} REMOVE {}", change.update, remove.join(", "));
    }
    change
}

impl Change {
    fn require(&mut self, name: &str, seen: Option<Uuid>) {
        self.names.insert(format!("#{name}"), name.to_owned());
        self.condition = match seen {
            None => format!("{} AND attribute_not_exists(#{name})", self.condition),
            Some(seen) => {
                self.values.insert(format!(":seen_{name}"), id(seen));
                format!("{} AND #{name} = :seen_{name}", self.condition)
            }
        };
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn id(value: Uuid) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

fn moment(value: DateTime<Utc>) -> AttributeValue {
    AttributeValue::S(timestamp(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456);
        Lease::of_shard("arn:aws:dynamodb:r:1:table/events/stream/1", "shardId-1", vec!["shardId-0".into()], at)
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let taken = lease().taken_by(me).renewed(Checkpoint::After("12".into()), None).asked_by(other);
        let planned = Lease { plan: 7, ..lease() };
        for lease in [lease(), taken, planned, Lease::of_leader("arn/stream/1", me)] {
            assert_eq!(from_item(&to_item(&lease)), Ok(lease));
        }
    }

    #[test]
    fn only_the_leaders_row_has_no_checkpoint() {
        assert!(!to_item(&Lease::of_leader("arn", Uuid::from_u128(1))).contains_key(CHECKPOINT));
        let mut item = to_item(&lease());
        item.remove(CHECKPOINT);
        assert_eq!(from_item(&item).map_err(|error| error.attribute), Err(CHECKPOINT));
    }

    #[test]
    fn a_renewal_touches_neither_owner_nor_request() {
        let held = lease().taken_by(Uuid::from_u128(1));
        let change = difference(&held, &held.renewed(Checkpoint::After("7".into()), None));
        assert_eq!(change.condition, "#counter = :seen_counter AND #owner = :seen_owner");
        assert_eq!(change.update, "SET #counter = :counter, #checkpoint = :checkpoint");
        assert_eq!(change.values[":seen_counter"], number(1));
        assert_eq!(change.values[":counter"], number(2));
    }

    #[test]
    fn taking_and_asking_compare_the_request() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let held = lease().taken_by(a);
        let asking = difference(&held, &held.asked_by(b));
        assert_eq!(
            asking.condition,
            "#counter = :seen_counter AND #owner = :seen_owner AND attribute_not_exists(#wanted_by)"
        );
        assert_eq!(asking.update, "SET #counter = :counter, #wanted_by = :wanted_by");
        let free = held.asked_by(b).released();
        let taking = difference(&free, &free.taken_by(b));
        assert_eq!(
            taking.condition,
            "#counter = :seen_counter AND attribute_not_exists(#owner) AND #wanted_by = :seen_wanted_by"
        );
        assert_eq!(taking.update, "SET #counter = :counter, #owner = :owner REMOVE #wanted_by");
    }

    #[test]
    fn every_placeholder_stands_for_something() {
        let held = lease().taken_by(Uuid::from_u128(1));
        for (seen, new) in [(held.clone(), held.released()), (lease(), held.clone())] {
            let change = difference(&seen, &new);
            let used = format!("{} {}", change.condition, change.update);
            assert!(change.names.keys().chain(change.values.keys()).all(|placeholder| used.contains(placeholder)));
        }
    }
}
