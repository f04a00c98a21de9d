//! Follows the feed as it grows, so that nothing that comes late is missed.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use events::views::AuditRow;
use platform::http::Problem;

use super::walk::{Place, behind, place_of};

/// How far back every look begins, for events that other shards project a moment later. What comes later still is told
/// when the feed is known to be complete there.
const DISORDER: TimeDelta = TimeDelta::seconds(5);

/// How many rows are remembered that were told before the feed was known to be complete there. Of what is forgotten some
/// is told twice.
const MAX_REMEMBERED: usize = 10_000;

/// A reader of the feed who is told everything once, and what may be incomplete as early as it is there.
#[derive(Debug)]
pub(super) struct Follower {
    /// Everything before was told, and nothing is added before it any more.
    settled: Place,
    /// Where the next look begins at what may be incomplete.
    head: Place,
    /// What was told behind `settled`.
    told: BTreeSet<Place>,
}

/// What a look found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Rows, each with the place at which a reader goes on who has got so far.
    pub rows: Vec<(AuditRow, Place)>,
    /// Whether there is more to look at right away.
    pub more: bool,
}

impl Follower {
    pub(super) fn new(begin: Place) -> Self {
        Self { head: begin.clone(), settled: begin, told: BTreeSet::new() }
    }

    /// Where a reader goes on who has got everything so far.
    pub(super) fn place(&self) -> &Place {
        &self.settled
    }

    /// Reads on: first what is complete, then what is there of the rest. `read` gives a page of rows from a place on and
    /// before a moment, and the place to go on unless it got there. What is `complete_until` must be known before.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) async fn look<F>(
        &mut self,
        complete_until: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        read: impl Fn(Place, DateTime<Utc>) -> F,
    ) -> Result<Look, Problem>
    where
        F: Future<Output = Result<(Vec<AuditRow>, Option<Place>), Problem>>,
    {
        let mut look = Look::default();
        if let Some(complete) = complete_until.filter(|complete| place_of(*complete) > self.settled) {
            let (rows, next) = read(self.settled.clone(), complete).await?;
            look.more = next.is_some();
            self.settle(&mut look, rows, next.unwrap_or_else(|| place_of(complete)));
        }
        if !look.more {
            let (rows, next) = read(self.head.clone(), now).await?;
            look.more = next.is_some();
            self.tell(&mut look, rows, next.unwrap_or_else(|| place_of(now - DISORDER)));
        }
        Ok(look)
    }

    /// Rows up to `place`, before which nothing is added any more.
    fn settle(&mut self, look: &mut Look, rows: Vec<AuditRow>, place: Place) {
        for row in rows {
            let position = row.position();
            if !self.told.remove(&position) {
                look.rows.push((row, behind(&position)));
            }
        }
        self.told = self.told.split_off(&place);
        self.head = self.head.clone().max(place.clone());
        self.settled = place;
    }

    /// Rows of what may be incomplete: whoever goes on does so before them, for others may come between.
    fn tell(&mut self, look: &mut Look, rows: Vec<AuditRow>, head: Place) {
        for row in rows {
            if self.told.insert(row.position()) {
                look.rows.push((row, self.settled.clone()));
            }
        }
        while self.told.len() > MAX_REMEMBERED {
            self.told.pop_first();
        }
        self.head = head.max(self.settled.clone());
    }
}

#[cfg(test)]
mod tests;
