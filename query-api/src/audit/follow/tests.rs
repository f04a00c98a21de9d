use std::collections::{BTreeMap, HashMap};

use events::ids::derive;
use futures::FutureExt;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Rows of a page: few, so that many pages are needed.
const PAGE: usize = 3;

/// An event, in seconds: when it was recorded, and how much later it is in the feed.
type Told = (u16, u16);

fn at(seconds: u16) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds.into())
}

fn row(number: usize, recorded: u16) -> AuditRow {
    let id = derive(&["event", &number.to_string()]);
    serde_json::from_value(json!({
        "event_id": id, "type": "RoleRetired", "schema": 1, "data": {}, "stream": format!("role#{id}"), "version": 1,
        "index": 0, "recorded_at": at(recorded), "actor": "system", "correlation_id": id
    }))
    .unwrap()
}

/// The feed as it is at a moment.
struct Feed(BTreeMap<String, AuditRow>);

impl Feed {
    fn read(&self, place: &str, until: DateTime<Utc>) -> (Vec<AuditRow>, Option<Place>) {
        let until = place_of(until);
        if place >= until.as_str() {
            return (vec![], None);
        }
        let found: Vec<_> = self.0.range(place.to_owned()..until).map(|(_, row)| row.clone()).take(PAGE).collect();
        let next = found.last().filter(|_| found.len() == PAGE).map(|row| behind(&row.position()));
        (found, next)
    }
}

/// Looks once a second until everything has come, and tells what was told, in order, each with its place.
fn follow(events: &[Told], rows: &[AuditRow], begin: &str) -> Vec<(String, Place)> {
    let mut follower = Follower::new(begin.to_owned());
    let mut told = Vec::new();
    let end = events.iter().map(|(recorded, late)| recorded + late).max().unwrap_or_default() + 2;
    for now in 0..=end {
        let there = events.iter().zip(rows).filter(|((recorded, late), _)| recorded + late < now);
        let feed = Feed(there.map(|(_, row)| (row.position(), row.clone())).collect());
        let missing = events.iter().filter(|(recorded, late)| recorded + late >= now).map(|(recorded, _)| *recorded);
        let complete = missing.min().unwrap_or(now).min(now);
        loop {
            let read = |place: Place, until| std::future::ready(Ok(feed.read(&place, until)));
            let look = follower.look(Some(at(complete)), at(now), read).now_or_never().unwrap().unwrap();
            told.extend(look.rows.into_iter().map(|(row, place)| (row.position(), place)));
            if !look.more {
                break;
            }
        }
    }
    told
}

proptest! {
    #[test]
    fn everything_is_told_once_and_whoever_goes_on_misses_nothing(
        events in prop::collection::vec((0_u16..60, prop_oneof![3 => 0_u16..3, 1 => 0_u16..40]), 0..40),
        stop in any::<prop::sample::Index>(),
    ) {
        let rows: Vec<_> = events.iter().enumerate().map(|(number, (recorded, _))| row(number, *recorded)).collect();
        let told = follow(&events, &rows, &place_of(at(0)));
        let mut times: HashMap<&str, usize> = HashMap::new();
        for (position, _) in &told {
            *times.entry(position).or_default() += 1;
        }
        prop_assert_eq!(times.len(), events.len());
        prop_assert!(times.values().all(|times| *times == 1), "{:?}", told);

        if !told.is_empty() {
            let (before, after) = told.split_at(stop.index(told.len()) + 1);
            let again = follow(&events, &rows, &before.last().unwrap().1);
            for (position, _) in after {
                prop_assert!(again.iter().any(|(told, _)| told == position), "{} after {:?}", position, before.last());
            }
        }
    }
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_forgotten_is_told_again() {
    let mut follower = Follower::new(place_of(at(0)));
    let rows: Vec<_> = (0..=MAX_REMEMBERED).map(|number| row(number, 1)).collect();
    let mut look = Look::default();
    follower.tell(&mut look, rows.clone(), place_of(at(2)));
    assert_eq!((look.rows.len(), follower.told.len()), (MAX_REMEMBERED + 1, MAX_REMEMBERED));
    let mut settled = Look::default();
    follower.settle(&mut settled, rows, place_of(at(3)));
    assert_eq!((settled.rows.len(), follower.told.len()), (1, 0));
}
