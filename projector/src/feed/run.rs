use events::{
    commit::StoredCommit,
    stream::{StreamId, Version},
    views::AuditRow,
};
use platform::store::{StoreError, Undecodable};

use super::ApplyError;

/// Commits of one stream, in order, up to one that cannot be read.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) stream: StreamId,
    pub(super) commits: Vec<StoredCommit>,
    pub(super) unreadable: Option<ApplyError>,
}

impl Run {
    /// The run of a stream's commits, whose rows of the audit feed are added to `rows`.
    pub(super) fn of(stream: StreamId, mut commits: Vec<StoredCommit>, rows: &mut Vec<AuditRow>) -> Self {
        let mut unreadable = None;
        for (index, commit) in commits.iter().enumerate() {
            match rows_of(commit) {
                Ok(more) => rows.extend(more),
                Err(error) => {
                    unreadable = Some((index, error));
                    break;
                }
            }
        }
        let unreadable = unreadable.map(|(index, error)| {
            commits.truncate(index);
            error
        });
        Self { stream, commits, unreadable }
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
