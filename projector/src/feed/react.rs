use std::time::Duration;

use chrono::TimeDelta;
use events::{
    envelope::{Actor, Metadata, Recorded},
    ids::NotificationId,
    notification::{Notification, NotificationEvent},
    reaction::{Notifying, Reaction},
    values::{Personal, Reason},
};
use moka::future::Cache;
use platform::{
    store::{AppendError, Companions, Draft, EventStore, Folded, StoreError},
    telemetry::trip::Hop,
};

use crate::notify::Queues;

/// How young an event is of which it is not taken for granted that its message is on the queue: when it comes again, a process
/// may have died, or the queue may have been away, between commit and message. Whoever takes a dead one's place does so within
/// seconds, and what is still lost is found by the sweeper.
const YOUNG: Duration = Duration::from_mins(5);

/// Most notifications remembered that this process put on the queue; each takes some 100 bytes.
const REMEMBERED: u64 = 50_000;

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
    /// What this process put on the queue lately.
    queued: Cache<NotificationId, ()>,
}

impl Reactions {
    pub(super) fn new(store: EventStore, queues: Queues) -> Self {
        Self { store, queues, queued: Cache::builder().max_capacity(REMEMBERED).time_to_live(YOUNG).build() }
    }

    /// Requests what follows from events, and says how many requests are new. A `reason` is recorded with those.
    pub(super) async fn react<E: Notifying>(
        &self,
        events: &[Recorded<E>],
        reason: Option<&Personal<Reason>>,
    ) -> Result<u64, StoreError> {
        let mut requested = 0;
        for event in events {
            let Some(reaction) = E::reaction(event) else { continue };
            let new = self.request(event, &reaction, reason).await?;
            if new || self.may_be_lost(event, reaction.id) {
                self.queues.send(reaction.request.lane, reaction.id, trip(event).as_deref()).await?;
                self.queued.insert(reaction.id, ()).await;
            }
            requested += u64::from(new);
        }
        Ok(requested)
    }

    /// Whether nobody knows that the message of an earlier request is on the queue. One too many finds nothing to do.
    fn may_be_lost<E>(&self, cause: &Recorded<E>, id: NotificationId) -> bool {
        let age = self.store.clock().now() - cause.recorded_at;
        age < TimeDelta::from_std(YOUNG).unwrap_or_default() && !self.queued.contains_key(&id)
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
            // It is there: requested by an earlier delivery of this event.
            Err(AppendError::Conflict) => Ok(false),
            Err(AppendError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::Refused(Box::new(error))),
        }
    }
}
