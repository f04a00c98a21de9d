use events::{
    envelope::{Actor, Metadata, Recorded},
    notification::{Notification, NotificationEvent},
    reaction::{Notifying, Reaction},
    values::{Personal, Reason},
};
use platform::{
    store::{AppendError, Companions, Draft, EventStore, Folded, StoreError},
    telemetry::trip::Hop,
};

use crate::notify::Queues;

/// By which the trip goes on: the hop at hand, else what the event says.
fn trip<E>(cause: &Recorded<E>) -> Option<String> {
    Hop::current().traceparent().or_else(|| cause.metadata.traceparent.clone())
}

/// Turns events into notifications: commit 1 of the notification's stream, then its id on the queue.
///
/// The id is derived from event, recipient and template, so the commit is the guard against repeats for ever; and it is
/// the outbox row, from which the sweeper sends again what the queue lost.
#[derive(Debug)]
pub(super) struct Reactions {
    store: EventStore,
    queues: Queues,
}

impl Reactions {
    pub(super) fn new(store: EventStore, queues: Queues) -> Self {
        Self { store, queues }
    }

    /// Requests what follows from events, and says how many requests are new. A `reason` is recorded with those.
    pub(super) async fn react<E: Notifying>(
        &self,
        events: &[Recorded<E>],
        reason: Option<&Personal<Reason>>,
    ) -> Result<u64, StoreError> {
        let mut requested = 0;
        for event in events {
            if let Some(reaction) = E::reaction(event)
                && self.request(event, &reaction, reason).await?
            {
                self.queues.send(reaction.request.lane, reaction.id, trip(event).as_deref()).await?;
                requested += 1;
            }
        }
        Ok(requested)
    }

    /// Whether it is a new one.
    async fn request<E>(
        &self,
        cause: &Recorded<E>,
        reaction: &Reaction,
        reason: Option<&Personal<Reason>>,
    ) -> Result<bool, StoreError> {
        let metadata = Metadata {
            actor: Actor::System,
            reason: reason.cloned(),
            correlation_id: cause.metadata.correlation_id,
            causation_id: Some(cause.event_id),
            traceparent: trip(cause),
        };
        let events = vec![NotificationEvent::NotificationRequested(reaction.request.clone())];
        let (clock, stream) = (self.store.clock(), reaction.id.into());
        let draft = Draft::<Notification>::new(clock, stream, &Folded::default(), events, &metadata, None);
        match self.store.append(draft, Companions::new()).await {
            Ok(_) => Ok(true),
            // It is there: requested by an earlier delivery of this event. What the queue lost, the sweeper sends.
            Err(AppendError::Conflict) => Ok(false),
            Err(AppendError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::Refused(Box::new(error))),
        }
    }
}
