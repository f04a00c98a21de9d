//! The last warnings and errors of this process, for whoever asks how it is.

use std::{
    collections::VecDeque,
    fmt::{Debug, Write},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::metrics::LOG_LINES;

/// How many are kept.
const KEPT: usize = 20;

static LINES: Mutex<VecDeque<Trouble>> = Mutex::new(VecDeque::new());

/// A warning or an error that was logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When.
    pub at: DateTime<Utc>,
    /// `WARN` or `ERROR`.
    pub level: String,
    /// The part of the program.
    pub place: String,
    /// What happened, and why if that is known.
    pub message: String,
}

/// The last ones, oldest first; none when no logs were installed.
pub fn recent() -> Vec<Trouble> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Keeps and counts them.
pub(super) struct Recent;

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let level = if *metadata.level() == Level::ERROR { "error" } else { "warning" };
        LOG_LINES.add(1, [level.into()]);
        let mut text = Text::default();
        event.record(&mut text);
        let Text { mut message, error } = text;
        if let Some(error) = error {
            let _ = write!(message, ": {error}");
        }
        let (at, level, place) = (now(), metadata.level().to_string(), metadata.target().to_owned());
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(Trouble { at, level, place, message });
    }
}

/// The moment of a line is the system's, as the line itself has it.
#[expect(clippy::disallowed_methods, reason = "as the line itself has it")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

#[derive(Default)]
struct Text {
    message: String,
    error: Option<String>,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "error" => self.error = Some(format!("{value:?}")),
            _ => (),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        if field.name() == "error" {
            self.error = Some(value.to_string());
        }
    }
}
