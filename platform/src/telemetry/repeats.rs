//! Warnings and errors that come from one place again and again: some are logged, the rest is counted.
//!
//! When a table is away, every request says so. The first lines tell what there is to know; ten thousand more cost money
//! and hide what else happens.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::{Event, Level, Metadata, callsite::Identifier};
use tracing_subscriber::layer::{Context, Filter};

use super::metrics::LOG_LINES_LEFT_OUT;

/// Lines of one place that are logged within [`WINDOW`].
const LINES: u32 = 10;

/// After so long a place may log again, and what was left out is told.
const WINDOW: Duration = Duration::from_secs(10);

/// As many as there are places in the code that warn.
static PLACES: LazyLock<Mutex<HashMap<Identifier, Place>>> = LazyLock::new(Mutex::default);

/// What one place has logged within its window.
#[derive(Debug)]
struct Place {
    metadata: &'static Metadata<'static>,
    began: Instant,
    logged: u32,
    left_out: u64,
}

impl Place {
    fn new(metadata: &'static Metadata<'static>, now: Instant) -> Self {
        Self { metadata, began: now, logged: 0, left_out: 0 }
    }

    /// Whether one more line may be logged now.
    fn may_log(&mut self, now: Instant) -> bool {
        if now.duration_since(self.began) >= WINDOW {
            (self.began, self.logged) = (now, 0);
        }
        if self.logged < LINES {
            self.logged += 1;
            return true;
        }
        self.left_out += 1;
        false
    }
}

/// Lets a line through unless its place has logged enough.
#[derive(Debug)]
pub(super) struct Repeats;

impl<S> Filter<S> for Repeats {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN {
            return true;
        }
        let now = Instant::now();
        places().entry(metadata.callsite()).or_insert_with(|| Place::new(metadata, now)).may_log(now)
    }
}

/// Tells for ever what was left out.
pub(super) async fn tell() {
    let mut tick = tokio::time::interval(WINDOW);
    loop {
        tick.tick().await;
        let left_out: Vec<(String, u64)> = places()
            .values_mut()
            .filter(|place| place.left_out > 0)
            .map(|place| {
                let at = place.metadata;
                let line = at.line().unwrap_or_default();
                (format!("{}:{line}", at.file().unwrap_or(at.target())), std::mem::take(&mut place.left_out))
            })
            .collect();
        for (place, lines) in left_out {
            LOG_LINES_LEFT_OUT.add(lines, []);
            tracing::info!(place, lines, "lines were left out: the same place logged too many");
        }
    }
}

fn places() -> MutexGuard<'static, HashMap<Identifier, Place>> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tracing::{Callsite, callsite::DefaultCallsite, field::FieldSet, metadata::Kind};

    use super::*;

    static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);
    static METADATA: Metadata<'static> = Metadata::new(
        "event",
        "here",
        Level::WARN,
        Some("here.rs"),
        Some(1),
        None,
        FieldSet::new(&[], Identifier(&CALLSITE)),
        Kind::EVENT,
    );

    #[test]
    fn a_place_logs_its_lines_in_each_window_and_counts_the_rest() {
        let start = Instant::now();
        let mut place = Place::new(CALLSITE.metadata(), start);
        let logged = |place: &mut Place, at| (0..2 * LINES).filter(|_| place.may_log(at)).count();
        assert_eq!(logged(&mut place, start), LINES as usize);
        assert_eq!(logged(&mut place, start + WINDOW / 2), 0);
        assert_eq!(place.left_out, u64::from(3 * LINES));
        assert_eq!(logged(&mut place, start + WINDOW), LINES as usize);
    }
}
