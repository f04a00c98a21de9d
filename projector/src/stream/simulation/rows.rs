//! The read model and what the commits add: tables with conditional writes.

use std::collections::{BTreeMap, BTreeSet};

use events::stream::Version;

use super::{events::Event, world::State};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Row {
    pub(super) version: Version,
    pub(super) fold: u64,
}

#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: BTreeMap<u64, Row>,
    /// What was added, by commit.
    pub(super) audit: BTreeSet<(u64, u64)>,
}

impl Rows {
    pub(super) fn get(&self, stream: u64) -> Option<Row> {
        self.rows.get(&stream).copied()
    }

    /// 0 without a row.
    pub(super) fn version(&self, stream: u64) -> u64 {
        self.get(stream).map_or(0, |row| row.version.0)
    }
}

impl State {
    /// Puts a row if it has the version that was seen; `None`: whatever it has.
    pub(super) fn put_row(&mut self, stream: u64, row: Row, seen: Option<Version>) -> bool {
        let before = self.rows.version(stream);
        if seen.is_some_and(|seen| seen.0 != before) {
            self.count(Event::RowRefused);
            return false;
        }
        self.note(|| format!("row {stream} goes from {before} to {}", row.version));
        if row.version.0 != before + 1 {
            self.violate(format!("row {stream} went from version {before} to {}", row.version));
        }
        if row.fold != self.log.fold(stream, row.version.0) {
            self.violate(format!("row {stream} at version {} is not the fold of the log", row.version));
        }
        self.rows.rows.insert(stream, row);
        true
    }
}
