//! What was ever written can be read for ever, and what is written now the release before could read.

use std::{collections::BTreeSet, fs, path::PathBuf};

use super::{EventData, StoredEvent};
use crate::{
    notification::NotificationEvent, number::NumberEvent, role::RoleEvent, session::SessionEvent, user::UserEvent,
};

/// A type and a schema.
type Shape = (String, u32);

/// The shapes that the last release could read, one a line. Written anew when a release is made:
/// `FIELDFUZE_RELEASE=1 cargo test -p events release`.
const LAST_RELEASE: &str = "read-by-the-last-release.txt";

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn written<E: EventData>() -> impl Iterator<Item = Shape> {
    E::CATALOGUE.iter().map(|known| (known.name.to_owned(), known.schema))
}

fn read<E: EventData>() -> impl Iterator<Item = Shape> {
    let coming = E::NOT_WRITTEN_YET.iter().map(|known| (known.name.to_owned(), known.schema));
    let older = E::UPCASTS.iter().map(|upcast| (upcast.from.0.to_owned(), upcast.from.1));
    written::<E>().chain(coming).chain(older)
}

fn all_read() -> BTreeSet<Shape> {
    let all = read::<UserEvent>().chain(read::<RoleEvent>()).chain(read::<SessionEvent>());
    all.chain(read::<NotificationEvent>()).chain(read::<NumberEvent>()).collect()
}

fn fixture(shape: &Shape) -> Option<StoredEvent> {
    let text = fs::read_to_string(fixtures().join(format!("{}.{}.json", shape.0, shape.1))).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

#[track_caller]
fn every_shape_reads<E: EventData>() {
    for shape in read::<E>() {
        let stored = fixture(&shape).unwrap_or_else(|| panic!("{shape:?} has no fixture"));
        assert_eq!((stored.kind.clone(), stored.schema), shape);
        let event = E::from_stored(stored.clone()).unwrap();
        let today = event.to_stored();
        // Through however many upcasts, what comes out is of today's shape and reads as the same event again.
        assert_eq!(E::from_stored(today.clone()).unwrap(), event);
        if today.schema == stored.schema {
            assert_eq!(today, stored);
        }
    }
}

#[test]
fn every_shape_has_a_fixture_and_reads() {
    every_shape_reads::<UserEvent>();
    every_shape_reads::<RoleEvent>();
    every_shape_reads::<SessionEvent>();
    every_shape_reads::<NotificationEvent>();
    every_shape_reads::<NumberEvent>();
}

#[test]
fn a_shape_that_was_ever_written_stays_readable() {
    let known = all_read();
    for file in fs::read_dir(fixtures()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(shape) = name.strip_suffix(".json") else { continue };
        let (kind, schema) = shape.rsplit_once('.').unwrap();
        assert!(known.contains(&(kind.to_owned(), schema.parse().unwrap())), "{name} cannot be read any more");
    }
}

#[test]
fn what_is_written_the_last_release_could_read() {
    let path = fixtures().join(LAST_RELEASE);
    if std::env::var_os("FIELDFUZE_RELEASE").is_some() {
        let lines: String = all_read().iter().map(|(kind, schema)| format!("{kind} {schema}\n")).collect();
        fs::write(&path, lines).unwrap();
    }
    let text = fs::read_to_string(path).unwrap();
    let released: BTreeSet<&str> = text.lines().collect();
    let now = written::<UserEvent>().chain(written::<RoleEvent>()).chain(written::<SessionEvent>());
    for (kind, schema) in now.chain(written::<NotificationEvent>()).chain(written::<NumberEvent>()) {
        let line = format!("{kind} {schema}");
        assert!(released.contains(line.as_str()), "{line} is written, but the last release cannot read it");
    }
}

#[test]
fn a_user_registered_without_language_and_time_zone_gets_the_defaults() {
    let stored = fixture(&("UserRegistered".to_owned(), 1)).unwrap();
    let UserEvent::UserRegistered(event) = UserEvent::from_stored(stored).unwrap() else { panic!("another event") };
    assert_eq!((event.locale.as_str(), event.time_zone.as_str()), ("en-US", "UTC"));
}
