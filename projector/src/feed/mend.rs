//! How a row stands to its stream, and how it is put right beside live writers.

use std::fmt;

use chrono::{DateTime, Utc};
use events::{
    stream::{StreamId, Version},
    views::Row,
};
use platform::{
    rows::{Rows, Stored},
    store::{EventStore, Range, StoreError},
};
use serde_json::Value;
use uuid::Uuid;

use super::{ApplyError, parking::chain, project::fold};

/// Commits per call while a stream is folded.
const PAGE: usize = 200;

/// How a row stands to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is the fold.
    Equal,
    /// There is none.
    Missing(Version),
    /// It lacks commits.
    Behind(Version, Version),
    /// It is of the same version and not the fold. Fields that are not the same; never what they hold.
    Differs(Vec<String>),
    /// It cannot be read.
    Unreadable,
    /// It knows commits that the log does not have.
    Ahead(Version, Version),
    /// The stream cannot be applied to its end, so it cannot be told.
    Unfoldable(String),
}

/// A row and the fold of its stream.
#[derive(Debug)]
pub(crate) struct Compared<R> {
    pub(crate) standing: Standing,
    stored: Option<Stored<R>>,
    fold: Option<R>,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal => f.write_str("its row is the fold of the log"),
            Self::Missing(log) => write!(f, "it has no row; the log is at version {log}"),
            Self::Behind(row, log) => write!(f, "its row is at version {row}, the log at {log}"),
            Self::Differs(fields) => write!(f, "its row is not the fold of the log: {} differ", fields.join(", ")),
            Self::Unreadable => f.write_str("its row cannot be read"),
            Self::Ahead(row, log) => write!(f, "its row knows version {row}, the log ends at {log}"),
            Self::Unfoldable(why) => write!(f, "it cannot be applied to its end: {why}"),
        }
    }
}

impl Standing {
    /// The version up to which the row has the log's commits, if it lacks the ones after it.
    pub(crate) fn lacks_after(&self) -> Option<Version> {
        match self {
            Self::Missing(_) => Some(Version::NONE),
            Self::Behind(row, _) => Some(*row),
            _ => None,
        }
    }

    /// Whether a row is to be written.
    pub(crate) fn can_be_mended(&self) -> bool {
        !matches!(self, Self::Equal | Self::Ahead(..) | Self::Unfoldable(_))
    }
}

impl<R: Row> Compared<R> {
    /// The stream's state; `None` when it cannot be folded.
    pub(crate) fn into_fold(self) -> Option<R> {
        self.fold
    }

    /// Writes the fold over what was found. `false`: somebody wrote the row meanwhile.
    pub(crate) async fn mend(&self, rows: &Rows<R>, mark: Uuid) -> Result<bool, StoreError> {
        match &self.fold {
            Some(fold) => rows.mend(fold, self.stored.as_ref(), mark).await,
            None => Ok(false),
        }
    }
}

/// Compares a row with all of its stream, folded from the beginning.
pub(crate) async fn compare<R: Row>(
    store: &EventStore,
    rows: &Rows<R>,
    stream: StreamId,
) -> Result<Compared<R>, StoreError> {
    let stored = rows.stored(stream.id).await?;
    match fold_all::<R>(store, stream).await {
        Ok(fold) => Ok(compared(stored, fold)),
        Err(ApplyError::Transient(error)) => Err(error),
        Err(ApplyError::Poison { source, .. }) => Ok(unfoldable(stored, &source)),
    }
}

/// As [`compare`], from the last state that a commit carries: one call for the row and one for the log. Gives when the
/// last commit was recorded, too.
pub(crate) async fn compare_quickly<R: Row>(
    store: &EventStore,
    rows: &Rows<R>,
    stream: StreamId,
) -> Result<(Compared<R>, Option<DateTime<Utc>>), StoreError> {
    let stored = rows.stored(stream.id).await?;
    match store.load::<R::Rules>(stream, None).await {
        Ok(folded) => Ok((compared(stored, folded.state), folded.recorded_at)),
        Err(error) if error.is_outage() => Err(error),
        Err(error) => Ok((unfoldable(stored, &error), None)),
    }
}

fn unfoldable<R: Row>(stored: Option<Stored<R>>, error: &StoreError) -> Compared<R> {
    Compared { standing: Standing::Unfoldable(chain(error)), stored, fold: None }
}

fn compared<R: Row>(stored: Option<Stored<R>>, fold: Option<R>) -> Compared<R> {
    let log = fold.as_ref().map_or(Version::NONE, Row::version);
    let standing = match (&stored, &fold) {
        (None, Some(_)) => Standing::Missing(log),
        (Some(Stored { row: None, .. }), _) => Standing::Unreadable,
        (Some(Stored { row: Some(row), .. }), _) if row.version() > log => Standing::Ahead(row.version(), log),
        (Some(Stored { row: Some(row), .. }), _) if row.version() < log => Standing::Behind(row.version(), log),
        (Some(Stored { row: Some(row), .. }), Some(fold)) if row != fold => Standing::Differs(differing(row, fold)),
        _ => Standing::Equal,
    };
    Compared { standing, stored, fold }
}

fn differing<R: Row>(row: &R, fold: &R) -> Vec<String> {
    let fields = |row| match serde_json::to_value(row) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (row, fold) = (fields(row), fields(fold));
    let names: std::collections::BTreeSet<&String> = row.keys().chain(fold.keys()).collect();
    names.into_iter().filter(|name| row.get(*name) != fold.get(*name)).cloned().collect()
}

async fn fold_all<R: Row>(store: &EventStore, stream: StreamId) -> Result<Option<R>, ApplyError> {
    let (mut row, mut after, mut opener) = (None, Version::NONE, None);
    loop {
        let commits = store.read_stored(stream, Range { after, until: None }, PAGE).await?;
        let Some(last) = commits.last() else { return Ok(row) };
        after = last.version;
        let opener = match &opener {
            Some(opener) => opener,
            None => opener.insert(store.opener(stream).await?),
        };
        for commit in &commits {
            fold(opener, &mut row, commit)?;
        }
    }
}
