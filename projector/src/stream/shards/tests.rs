use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

const STREAM: &str = "arn";

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn listed(id: &str, parents: &[&str]) -> Shard {
    Shard { id: id.to_owned(), parents: parents.iter().map(ToString::to_string).collect() }
}

fn row(id: &str, parents: &[&str], checkpoint: Checkpoint, position_at: Option<DateTime<Utc>>) -> Lease {
    let parents = parents.iter().map(ToString::to_string).collect();
    Lease { checkpoint, ..Lease::of_shard(STREAM, id, parents, position_at) }
}

fn ids<'a>(leases: impl IntoIterator<Item = &'a Lease>) -> Vec<&'a str> {
    leases.into_iter().map(|lease| lease.shard.as_str()).collect()
}

#[test]
fn a_child_gets_its_row_when_its_parent_is_finished_and_knows_its_position() {
    let shards = [listed("a", &[]), listed("b", &["a"])];
    let none = Lineage::default();
    assert_eq!(ids(&none.missing(STREAM, &shards)), ["a"]);
    let reading: Lineage = [row("a", &[], Checkpoint::After("1".into()), Some(at(1)))].into_iter().collect();
    assert_eq!(reading.missing(STREAM, &shards), []);
    let finished: Lineage = [row("a", &[], Checkpoint::End, Some(at(2)))].into_iter().collect();
    assert_eq!(finished.missing(STREAM, &shards), [row("b", &["a"], Checkpoint::Start, Some(at(2)))]);
}

#[test]
fn a_shard_whose_parent_is_gone_begins_without_a_known_position() {
    let missing = Lineage::default().missing(STREAM, &[listed("b", &["a"])]);
    assert_eq!(missing, [row("b", &["a"], Checkpoint::Start, None)]);
}

#[test]
fn a_shard_that_vanished_unfinished_is_finished_by_its_reader_before_its_child_begins() {
    let lineage: Lineage = [row("a", &[], Checkpoint::After("1".into()), Some(at(1)))].into_iter().collect();
    assert_eq!(lineage.missing(STREAM, &[listed("b", &["a"])]), []);
    assert_eq!(ids(lineage.readable()), ["a"]);
}

#[test]
fn a_childs_row_alone_does_not_let_it_begin() {
    let lineage: Lineage =
        [row("a", &[], Checkpoint::After("1".into()), Some(at(1))), row("b", &["a"], Checkpoint::Start, Some(at(1)))]
            .into_iter()
            .collect();
    assert_eq!(ids(lineage.readable()), ["a"]);
}

#[test]
fn a_finished_row_stays_while_it_is_listed_and_until_its_children_have_begun() {
    let parent = row("a", &[], Checkpoint::End, Some(at(1)));
    let waiting: Lineage = [parent.clone(), row("b", &["a"], Checkpoint::Start, Some(at(1)))].into_iter().collect();
    assert_eq!(ids(waiting.disposable(&[listed("b", &["a"])])), [""; 0]);
    let begun: Lineage =
        [parent.clone(), row("b", &["a"], Checkpoint::After("2".into()), Some(at(2)))].into_iter().collect();
    assert_eq!(ids(begun.disposable(&[listed("a", &[]), listed("b", &["a"])])), [""; 0]);
    assert_eq!(ids(begun.disposable(&[listed("b", &["a"])])), ["a"]);
    let unwritten: Lineage = [parent].into_iter().collect();
    assert_eq!(ids(unwritten.disposable(&[listed("b", &["a"])])), [""; 0]);
}

#[test]
fn an_ended_shard_holds_the_position_until_a_child_stands_for_it() {
    let ended = row("a", &[], Checkpoint::End, Some(at(1)));
    let other = row("x", &[], Checkpoint::After("9".into()), Some(at(9)));
    let alone: Lineage = [ended.clone(), other.clone()].into_iter().collect();
    assert!(alone.has_childless_end());
    assert_eq!(alone.complete_until(), Some(at(1)));
    let continued: Lineage =
        [ended, other, row("b", &["a"], Checkpoint::After("3".into()), Some(at(3)))].into_iter().collect();
    assert!(!continued.has_childless_end());
    assert_eq!(continued.complete_until(), Some(at(3)));
}

#[test]
fn one_unknown_position_makes_the_whole_unknown() {
    let lineage: Lineage =
        [row("a", &[], Checkpoint::Start, None), row("b", &[], Checkpoint::Start, Some(at(1)))].into_iter().collect();
    assert_eq!(lineage.complete_until(), None);
    assert_eq!(Lineage::default().complete_until(), None);
}

/// A lineage in which every shard goes on from earlier ones: the indices of each one's parents.
fn lineages() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::btree_set(0_usize..100, 0..3), 1..14).prop_map(|raw| {
        raw.into_iter()
            .enumerate()
            .map(|(own, parents)| {
                let earlier: BTreeSet<usize> =
                    parents.into_iter().filter_map(|parent| parent.checked_rem(own)).collect();
                earlier.into_iter().collect()
            })
            .collect()
    })
}

proptest! {
    /// A leader and readers, in any order: every shard is read once, never before its parents, and rows that go never
    /// let a shard be read again. Old shards leave the list at any time after they were read.
    #[test]
    fn every_shard_is_read_once_and_after_its_parents(
        parents in lineages(),
        turns in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 0..150),
    ) {
        let shards: Vec<Shard> = parents
            .iter()
            .enumerate()
            .map(|(own, parents)| Shard { id: format!("s{own:02}"), parents: parents.iter().map(|parent| format!("s{parent:02}")).collect() })
            .collect();
        let mut gone: BTreeSet<String> = BTreeSet::new();
        let mut rows: BTreeMap<String, Lease> = BTreeMap::new();
        let mut read: Vec<String> = Vec::new();
        // After the random turns everything has its turn often enough to end.
        let fair = (0..shards.len() * 3).flat_map(|_| [(0, None), (1, None), (2, None)]);
        for (turn, index) in turns.into_iter().map(|(turn, index)| (turn, Some(index))).chain(fair) {
            let listed: Vec<Shard> = shards.iter().filter(|shard| !gone.contains(&shard.id)).cloned().collect();
            let lineage: Lineage = rows.values().cloned().collect();
            let pick = |choices: Vec<&Lease>| match index {
                _ if choices.is_empty() => None,
                Some(index) => Some(index.get(&choices).shard.clone()),
                None => choices.first().map(|lease| lease.shard.clone()),
            };
            match turn {
                0 => {
                    for lease in lineage.missing(STREAM, &listed) {
                        prop_assert!(!read.contains(&lease.shard), "{} begins again", lease.shard);
                        rows.insert(lease.shard.clone(), lease);
                    }
                    for lease in lineage.disposable(&listed) {
                        rows.remove(&lease.shard);
                    }
                }
                1 => if let Some(shard) = pick(lineage.readable().collect()) {
                    rows.get_mut(&shard).unwrap().checkpoint = Checkpoint::After("1".into());
                },
                2 => if let Some(shard) = pick(lineage.readable().collect()) {
                    let own: usize = shard[1..].parse().unwrap();
                    let unread = parents[own].iter().any(|parent| !read.contains(&format!("s{parent:02}")));
                    prop_assert!(!unread, "{} before its parent", shard);
                    rows.get_mut(&shard).unwrap().checkpoint = Checkpoint::End;
                    read.push(shard);
                },
                _ => if let Some(shard) = pick(lineage.iter().filter(|lease| lease.is_finished()).collect()) {
                    gone.insert(shard);
                },
            }
        }
        let mut once = read.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), read.len());
        prop_assert_eq!(read.len(), shards.len());
    }

    /// The whole is never said to be further than any shard that is not finished.
    #[test]
    fn the_position_of_the_whole_is_that_of_the_slowest(
        parents in lineages(),
        states in prop::collection::vec((0_u8..3, prop::option::of(0_i64..100)), 14),
    ) {
        let lineage: Lineage = parents
            .iter()
            .zip(&states)
            .enumerate()
            .map(|(own, (parents, (state, position)))| {
                let parents: Vec<String> = parents.iter().map(|parent| format!("s{parent:02}")).collect();
                let checkpoint = match state {
                    0 => Checkpoint::Start,
                    1 => Checkpoint::After("1".into()),
                    _ => Checkpoint::End,
                };
                Lease { checkpoint, ..Lease::of_shard(STREAM, &format!("s{own:02}"), parents, position.map(at)) }
            })
            .collect();
        if let Some(whole) = lineage.complete_until() {
            for lease in lineage.iter().filter(|lease| !lease.is_finished()) {
                prop_assert!(lease.position_at.is_some_and(|position| position >= whole));
            }
        }
    }
}
