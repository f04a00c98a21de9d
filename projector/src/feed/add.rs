//! What commits add, keyed by their events: done for every one that is delivered or healed, also for one whose row is newer
//! already.

use events::{
    commit::StoredCommit, ids::UserId, session::SessionEvent, stream::Category, user::UserEvent, views::AuditRow,
};
use platform::store::StoreError;

use super::{
    ApplyError, Feed,
    run::{Run, rows_of},
};

impl Feed {
    /// Adds the rows of the audit feed, those of all runs together. If the table can never take that, they are added commit
    /// by commit, and a run ends before the one of its own that is refused.
    pub(super) async fn add_rows(&self, runs: &mut [Run]) -> Result<(), StoreError> {
        let rows: Vec<&AuditRow> = runs.iter().flat_map(|run| &run.rows).flatten().collect();
        match self.0.audit.add_all(&rows).await {
            Err(error) if !error.is_outage() => (),
            added => return added,
        }
        for run in runs {
            for index in 0..run.rows.len() {
                let rows: Vec<&AuditRow> = run.rows[index].iter().collect();
                match self.0.audit.add_all(&rows).await {
                    Ok(()) => (),
                    Err(error) if error.is_outage() => return Err(error),
                    Err(error) => {
                        run.end_before(index, error.into());
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds everything that commits of one stream add.
    pub(super) async fn add(&self, commits: &[StoredCommit]) -> Result<(), ApplyError> {
        let Some(first) = commits.first() else { return Ok(()) };
        let mut rows = Vec::new();
        for commit in commits {
            rows.extend(rows_of(commit)?);
        }
        let rows: Vec<&AuditRow> = rows.iter().collect();
        self.0.audit.add_all(&rows).await.map_err(|error| ApplyError::from(error).at(first.version))?;
        for commit in commits {
            self.react(commit).await?;
        }
        Ok(())
    }

    pub(super) async fn react(&self, commit: &StoredCommit) -> Result<(), ApplyError> {
        let reacting = async {
            match commit.stream.category {
                Category::User => {
                    let events = self.0.store.opener(commit.stream).await?.events::<UserEvent>(commit)?;
                    self.0.reactions.react(&events, None).await?;
                    for event in events.iter().filter(|event| matches!(event.event, UserEvent::UserErased {})) {
                        self.forget(UserId(event.stream.id)).await?;
                    }
                }
                Category::Session => {
                    let events = self.0.store.opener(commit.stream).await?.events::<SessionEvent>(commit)?;
                    self.0.reactions.react(&events, None).await?;
                }
                Category::Role | Category::Notification | Category::Number => (),
            }
            Ok(())
        };
        reacting.await.map_err(|error: StoreError| ApplyError::from(error).at(commit.version))
    }
}
