//! Takes notifications off the queues and sends them.

use std::sync::Arc;

use chrono::TimeDelta;
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::NotificationId,
    notification::{
        Delivery, Lane, Notification, NotificationCommand, NotificationRefusal, NotificationState, Outcome,
        template::Template,
    },
    user::Status,
};
use platform::{
    context::Context,
    lifecycle::Shutdown,
    store::{ExecuteError, Executed, Intent, StoreError},
    tables::MAX_RECEIVES,
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{
    queue::{Queues, Received},
    telnyx::Telnyx,
};

/// Messages of a lane that are sent at once.
const CONCURRENT_SENDS: usize = 32;

/// How long a dispatcher holds a notification: the longest request, with its writes around it.
const HOLD: TimeDelta = TimeDelta::seconds(20);

/// The dispatcher of one process. Clones share everything.
#[derive(Debug, Clone)]
pub struct Dispatcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: Context,
    queues: Queues,
    telnyx: Telnyx,
    public_url: String,
}

type CommandError = ExecuteError<NotificationRefusal>;

impl Dispatcher {
    /// A dispatcher whose webhooks come back to `public_url`.
    pub fn new(context: Context, queues: Queues, telnyx: Telnyx, public_url: &str) -> Self {
        let public_url = public_url.trim_end_matches('/').to_owned();
        Self(Arc::new(Inner { context, queues, telnyx, public_url }))
    }

    /// Works on one lane until the shutdown begins, then finishes what is in flight.
    pub async fn run(self, lane: Lane, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(CONCURRENT_SENDS));
        let tasks = TaskTracker::new();
        let mut failures = backon::BackoffBuilder::build(backon::ExponentialBuilder::default().with_jitter());
        while !shutdown.has_begun() {
            let received = tokio::select! {
                () = shutdown.begun() => break,
                received = self.0.queues.receive(lane) => received,
            };
            let messages = match received {
                Ok(messages) => messages,
                Err(error) => {
                    tracing::warn!(?lane, error = &error as &dyn std::error::Error, "the queue does not answer");
                    let pause = failures.next().unwrap_or(std::time::Duration::from_secs(10));
                    tokio::select! { () = shutdown.begun() => break, () = tokio::time::sleep(pause) => continue }
                }
            };
            failures = backon::BackoffBuilder::build(backon::ExponentialBuilder::default().with_jitter());
            for message in messages {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
                let dispatcher = self.clone();
                tasks.spawn(async move {
                    dispatcher.handle(lane, message).await;
                    drop(place);
                });
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// A message whose handling failed becomes visible again and is tried anew.
    async fn handle(&self, lane: Lane, message: Received) {
        let worked = if let Some(id) = message.id {
            self.dispatch(id, message.times).await
        } else {
            tracing::error!(?lane, "a message is no notification's id and is dropped");
            Ok(())
        };
        let ended = match worked {
            Ok(()) => self.0.queues.delete(lane, &message).await.map_err(CommandError::Store),
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::warn!(?lane, notification = ?message.id, error = &error as &dyn std::error::Error, "a message was not finished and comes again");
        }
    }

    async fn dispatch(&self, id: NotificationId, times: u32) -> Result<(), CommandError> {
        let now = self.0.context.clock.now();
        let metadata = self.metadata(id).await?;
        let taken = match self.command(id, &metadata, NotificationCommand::Take { now, until: now + HOLD }).await {
            // Somebody else holds it, or it has to wait: the sweeper queues it again when it is due.
            Err(ExecuteError::Refused(NotificationRefusal::NotDue(_))) => return Ok(()),
            Err(ExecuteError::Refused(NotificationRefusal::NotFound)) => {
                tracing::error!(notification = %id, "a queued notification does not exist");
                return Ok(());
            }
            Err(error) if times >= MAX_RECEIVES => {
                tracing::error!(notification = %id, error = &error as &dyn std::error::Error, "a notification was received too often");
                return self.command(id, &metadata, NotificationCommand::GiveUp).await.map(drop);
            }
            taken => taken?,
        };
        let Some(notification) = taken.folded.state else { return Ok(()) };
        match notification.status {
            Delivery::Sending if !taken.events.is_empty() => (),
            Delivery::Accepted | Delivery::Sent => return self.look_up(&notification, &metadata).await,
            _ => return Ok(()),
        }
        let attempt = notification.attempt;
        let outcome = self.send(&notification).await?;
        tracing::info!(notification = %id, attempt, outcome = name(&outcome), "a notification was tried");
        self.command(id, &metadata, NotificationCommand::Conclude { attempt, outcome }).await.map(drop)
    }

    /// The receipt is late, or was lost: the provider is asked.
    async fn look_up(&self, notification: &NotificationState, metadata: &Metadata) -> Result<(), CommandError> {
        let Some(provider_id) = notification.provider_id.clone() else { return Ok(()) };
        let Some(receipt) = self.0.telnyx.look_up(&provider_id).await else { return Ok(()) };
        let attempt = notification.attempt;
        let command = NotificationCommand::Receive { attempt, provider_id, receipt };
        self.command(notification.id, metadata, command).await.map(drop)
    }

    /// Suppression is judged now, at the moment of sending.
    async fn send(&self, notification: &NotificationState) -> Result<Outcome, StoreError> {
        let user = self.0.context.users.load(notification.user_id.into()).await?.state;
        let Some(user) = user else { return Ok(Outcome::Suppressed("no-such-user")) };
        match user.status {
            Status::Erased => return Ok(Outcome::Suppressed("user-erased")),
            Status::Suspended => return Ok(Outcome::Suppressed("user-suspended")),
            Status::Invited | Status::Active => (),
        }
        let text = Template::named(&notification.template).and_then(|template| {
            let code = || template.purpose.map(|purpose| self.0.context.codes.code(notification.id, purpose));
            template.render(&user, || code().unwrap_or_default())
        });
        let (Some(text), Some(phone)) = (text, user.phone.known()) else {
            return Ok(Outcome::Suppressed("nothing-to-send"));
        };
        let attempt = notification.attempt;
        let webhook_url = format!("{}/v1/webhooks/telnyx/{}?attempt={attempt}", self.0.public_url, notification.id);
        let now = self.0.context.clock.now();
        Ok(self.0.telnyx.send(phone.as_str(), text, webhook_url, now, attempt).await)
    }

    async fn command(
        &self,
        id: NotificationId,
        metadata: &Metadata,
        command: NotificationCommand,
    ) -> Result<Executed<Notification>, CommandError> {
        let notifications = &self.0.context.notifications;
        let intent = Intent::of(metadata.clone());
        let decide = |folded: &platform::store::Folded<Option<NotificationState>>| {
            Notification::decide(&folded.state, command.clone())
        };
        notifications.execute(id.into(), &intent, decide).await
    }

    /// The trip goes on: its correlation id is that of the event which caused the notification.
    async fn metadata(&self, id: NotificationId) -> Result<Metadata, StoreError> {
        let first =
            platform::store::Range { after: events::stream::Version::NONE, until: Some(events::stream::Version(1)) };
        let commits = self.0.context.store().read_stored(id.into(), first, 1).await?;
        let first = commits.first();
        Ok(Metadata {
            actor: Actor::System,
            reason: None,
            correlation_id: first.map_or(id.0, |commit| commit.correlation_id),
            causation_id: first.and_then(|commit| commit.causation_id),
            traceparent: first.and_then(|commit| commit.traceparent.clone()),
        })
    }
}

/// The kind of an outcome, for logs.
fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted(_) => "accepted",
        Outcome::Deferred(_) => "deferred",
        Outcome::Refused(_) => "refused",
        Outcome::Unknown => "unknown",
        Outcome::Suppressed(_) => "suppressed",
    }
}
