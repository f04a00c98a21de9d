use events::{
    commit::StoredCommit,
    stream::{StreamId, Version},
    views::AuditRow,
};
use platform::store::{StoreError, Undecodable};

use super::ApplyError;

/// Commits of one stream, in order, up to one that cannot be applied.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) stream: StreamId,
    pub(super) commits: Vec<StoredCommit>,
    /// The rows of the audit feed that each commit adds.
    pub(super) rows: Vec<Vec<AuditRow>>,
    pub(super) unreadable: Option<ApplyError>,
}

impl Run {
    /// The run of a stream's commits.
    pub(super) fn of(stream: StreamId, commits: Vec<StoredCommit>) -> Self {
        let mut run = Self { stream, commits, rows: Vec::new(), unreadable: None };
        for index in 0..run.commits.len() {
            match rows_of(&run.commits[index]) {
                Ok(rows) => run.rows.push(rows),
                Err(error) => {
                    run.end_before(index, error);
                    break;
                }
            }
        }
        run
    }

    /// Leaves out a commit that cannot be applied, and what follows it.
    pub(super) fn end_before(&mut self, index: usize, error: ApplyError) {
        let error = match self.commits.get(index) {
            Some(commit) => error.at(commit.version),
            None => error,
        };
        self.unreadable = Some(error);
        self.commits.truncate(index);
        self.rows.truncate(index);
    }

    /// The first version, for an error that names none.
    pub(super) fn first(&self) -> Version {
        self.commits.first().map_or(Version::NONE, |commit| commit.version)
    }
}

/// The rows of the audit feed that a commit adds.
pub(super) fn rows_of(commit: &StoredCommit) -> Result<Vec<AuditRow>, ApplyError> {
    let malformed = |_| StoreError::Undecodable {
        stream: commit.stream.to_string(),
        version: commit.version.to_string(),
        source: Undecodable::Malformed("events"),
    };
    AuditRow::of(commit).map_err(malformed).map_err(ApplyError::from)
}
