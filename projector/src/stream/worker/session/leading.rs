//! The leader's lease, and the surveys beside the loop.

use std::{error::Error, sync::Arc};

use tokio::{
    task::JoinError,
    time::{Instant, Interval},
};

use super::Session;
use crate::stream::{
    Handler,
    leader::{Duty, duty},
    lease::Lease,
    lease_store::{LeaseStore, Replaced},
    shards::Lineage,
    source::Source,
    survey::{SurveyError, Surveyed, survey},
};

impl<S: Source, L: LeaseStore, H: Handler> Session<S, L, H> {
    /// Takes the leader's lease, renews it, or leaves it to who has it.
    pub(super) async fn lead(&mut self, row: Option<&Lease>, began: Instant) {
        let (shared, me) = (&self.shared, self.shared.me);
        let standing = row.map(|row| self.sightings.standing(row, began)).unwrap_or_default();
        let (seen, new) = match (duty(me, row, standing, shared.config.lease_time), row) {
            (Duty::Take, Some(row)) => (row, row.taken_by(me)),
            (Duty::Renew, Some(row)) => (row, row.renewed(row.checkpoint.clone(), None)),
            (Duty::Lead, Some(row)) => return self.leading = Some(row.clone()),
            (Duty::Create, _) => {
                let new = Lease::of_leader(&self.stream, me);
                self.leading = match shared.leases.create(&new).await {
                    Ok(created) => created.then_some(new),
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn Error, "the leader's lease could not be written");
                        None
                    }
                };
                return;
            }
            _ => return self.leading = None,
        };
        self.leading = match shared.leases.replace(seen, &new).await {
            Ok(Replaced::Done) => Some(new),
            Ok(Replaced::Refused(row)) => row.map(|row| *row).filter(|row| row.owner == Some(me)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "the leader's lease could not be written");
                None
            }
        };
    }

    /// Begins a survey if one is due.
    pub(super) fn survey(&mut self, lineage: Lineage, others: Vec<Lease>, began: Instant) {
        let (shared, leads) = (Arc::clone(&self.shared), self.leading.is_some());
        if !self.surveys.is_empty() || !self.calendar.is_due(began, shared.config.survey, leads, &lineage) {
            return;
        }
        // Rows of a stream that the table has no more are kept until this one is known to be caught up, and while
        // somebody may still be reading by them.
        let settled = lineage.complete_until().is_some();
        let outdated = others.into_iter().filter(|lease| {
            settled && (lease.owner.is_none() || self.sightings.standing(lease, began) >= shared.config.lease_time)
        });
        self.surveys.spawn(survey(Arc::clone(&shared), self.stream.clone(), lineage, leads, outdated.collect()));
    }

    /// What a survey gave; `Some` if the table has another stream.
    pub(super) fn surveyed(
        &mut self,
        surveyed: Result<Result<Surveyed, SurveyError>, JoinError>,
        looks: &mut Interval,
    ) -> Option<String> {
        match surveyed {
            Ok(Ok(Surveyed::Replaced(stream))) => return Some(stream),
            Ok(Ok(Surveyed::Found(0))) => (),
            Ok(Ok(Surveyed::Found(_))) => looks.reset_immediately(),
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn Error, "the stream could not be surveyed");
                self.calendar.failed(Instant::now());
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "a survey broke off");
                self.calendar.failed(Instant::now());
            }
        }
        None
    }
}
