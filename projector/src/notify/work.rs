//! What one notification needs next: to be sent, to be looked for, or to be concluded.

use std::error::Error;

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::NotificationId,
    notification::{
        Delivery, Notification, NotificationCommand, NotificationDeferred, NotificationEvent, NotificationRefusal,
        NotificationState, Outcome, Withheld,
    },
};
use platform::{
    context::Context,
    lifecycle::Shutdown,
    store::{ExecuteError, Executed, Folded, Intent, StoreError},
    telemetry::{
        metrics::{SEND_ALARMS, SENDS},
        trip::Hop,
    },
    telnyx::address::WebhookAddress,
};

use super::{
    judge::Judge,
    pacing::{Pacer, Turn},
    telnyx::Telnyx,
};

/// How long a dispatcher holds a notification: the longest request, with the writes around it.
pub(super) const HOLD: TimeDelta = TimeDelta::seconds(20);

/// For how long a judgement holds. Whoever waited longer for their turn is judged again: meanwhile somebody may have said STOP,
/// been forgotten, or got another number.
const JUDGED_FOR: TimeDelta = TimeDelta::seconds(1);

/// Why a notification is given up whose data cannot be read.
const UNREADABLE: &str = "unreadable";

/// Works on notifications.
#[derive(Debug)]
pub struct Worker {
    pub(super) context: Context,
    pub(super) telnyx: Telnyx,
    judge: Judge,
    pub(super) pacer: Pacer,
    public_url: String,
}

/// What is to become of the message that named the notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It has served.
    Finished,
    /// Another process shall have it.
    GivenBack,
    /// It goes to the dead letters.
    Dead,
}

pub(super) type WorkError = ExecuteError<NotificationRefusal>;

impl Worker {
    /// A worker whose webhooks come back to `public_url`.
    pub fn new(context: Context, telnyx: Telnyx, judge: Judge, pacer: Pacer, public_url: &str) -> Self {
        let public_url = public_url.trim_end_matches('/').to_owned();
        Self { context, telnyx, judge, pacer, public_url }
    }

    /// Does what a notification needs now.
    pub(super) async fn work(&self, id: NotificationId, shutdown: &Shutdown) -> Result<Done, WorkError> {
        let Some(it) = self.context.notifications.load(id.into()).await?.state else {
            tracing::error!(notification = %id, "a queued notification does not exist");
            return Ok(Done::Dead);
        };
        let now = self.context.clock.now();
        match it.status {
            Delivery::Pending | Delivery::Sending if it.due.is_some_and(|due| due > now) => Ok(Done::Finished),
            Delivery::Pending if it.expires_at > now => match self.send(&it, shutdown).await {
                Err(ExecuteError::Store(error)) if !error.is_outage() => self.give_up(&it, &error).await,
                sent => sent,
            },
            Delivery::Pending | Delivery::Sending => self.settle_by_time(&it, now).await,
            _ if it.look_again_at().is_some_and(|at| at <= now) => self.look_up(&it, now).await,
            Delivery::Dead => Ok(Done::Dead),
            _ => Ok(Done::Finished),
        }
    }

    async fn send(&self, it: &NotificationState, shutdown: &Shutdown) -> Result<Done, WorkError> {
        let judged_at = self.context.clock.now();
        let mut ready = match self.judge.judge(it).await? {
            Ok(ready) => ready,
            Err(withheld) => return self.withhold(it, withheld).await,
        };
        let turn = tokio::select! {
            turn = self.pacer.turn(it.lane, ready.of.segments) => turn?,
            () = shutdown.begun() => return Ok(Done::GivenBack),
        };
        let moment = match turn {
            Turn::At(moment) => moment,
            Turn::Stopped(stopped) => {
                let (error_code, not_before) = (stopped.cause, stopped.until);
                return self.withhold(it, Withheld::Until(NotificationDeferred { error_code, not_before })).await;
            }
        };
        if self.context.clock.now() - judged_at > JUDGED_FOR {
            ready = match self.judge.judge(it).await? {
                Ok(ready) => ready,
                // The turn is given up: whoever comes next has the next one.
                Err(withheld) => return self.withhold(it, withheld).await,
            };
        }
        let now = self.context.clock.now();
        let take = NotificationCommand::Take { now, until: now + HOLD, text: ready.of };
        let taken = match self.command(it, take).await {
            // Somebody else holds it, or it has to wait: the sweeper queues it again when it is due.
            Err(ExecuteError::Refused(NotificationRefusal::NotDue(_))) => return Ok(Done::Finished),
            taken => taken?,
        };
        let [NotificationEvent::NotificationSending(sending)] =
            &*taken.events.iter().map(|recorded| recorded.event.clone()).collect::<Vec<_>>()
        else {
            return Ok(Done::Finished);
        };
        // From here on nothing may fail before the request but what is certain not to have been sent.
        self.pacer.until(moment).await;
        Box::pin(self.attempt(it, ready, sending.clone())).await
    }

    /// Where the provider tells what became of a try.
    pub(super) fn webhook_url(&self, id: NotificationId, attempt: u32) -> String {
        WebhookAddress { notification: id, attempt }.url(&self.public_url)
    }

    async fn withhold(&self, it: &NotificationState, withheld: Withheld) -> Result<Done, WorkError> {
        let why = match &withheld {
            Withheld::Until(deferred) => deferred.error_code.clone(),
            Withheld::Suppressed(cause) => (*cause).to_owned(),
        };
        SENDS.add(1, ["withheld".into()]);
        tracing::info!(notification = %it.id, why, "a notification is withheld");
        self.settle(it, NotificationCommand::Withhold(withheld)).await
    }

    /// Its own data cannot be read: trying again does not help.
    async fn give_up(&self, it: &NotificationState, error: &StoreError) -> Result<Done, WorkError> {
        SEND_ALARMS.add(1, ["notification-dead".into()]);
        tracing::error!(alarm = "notification-dead", notification = %it.id, error = error as &dyn Error, "a notification cannot be sent");
        self.settle(it, NotificationCommand::GiveUp(UNREADABLE)).await
    }

    /// Concludes what time has decided. Whoever held it died, and counted nothing.
    async fn settle_by_time(&self, it: &NotificationState, now: DateTime<Utc>) -> Result<Done, WorkError> {
        let settled = self.command(it, NotificationCommand::Settle { now }).await?;
        let unknown = |event: &NotificationEvent| matches!(event, NotificationEvent::NotificationUnknown {});
        if settled.events.iter().any(|recorded| unknown(&recorded.event)) {
            let outcome = Outcome::Unknown.name();
            SENDS.add(1, [outcome.into()]);
            tracing::warn!(notification = %it.id, attempt = it.attempt, outcome, "whoever tried a notification told no outcome");
        }
        Ok(done(settled))
    }

    /// Records what a notification came to, and tells what that means for its message.
    pub(super) async fn settle(&self, it: &NotificationState, command: NotificationCommand) -> Result<Done, WorkError> {
        self.command(it, command).await.map(done)
    }

    async fn command(
        &self,
        it: &NotificationState,
        command: NotificationCommand,
    ) -> Result<Executed<Notification>, WorkError> {
        let decide = |folded: &Folded<Option<NotificationState>>| Notification::decide(&folded.state, command.clone());
        self.context.notifications.execute(it.id.into(), &Intent::of(metadata(it)), decide).await
    }
}

fn done(executed: Executed<Notification>) -> Done {
    let dead = executed.folded.state.is_some_and(|it| it.status == Delivery::Dead);
    if dead { Done::Dead } else { Done::Finished }
}

/// The trip goes on: its correlation id is that of the event which caused the notification.
pub(super) fn metadata(it: &NotificationState) -> Metadata {
    Metadata {
        actor: Actor::System,
        reason: None,
        correlation_id: it.correlation_id,
        causation_id: Some(it.event_id),
        traceparent: Hop::current().traceparent().or_else(|| it.traceparent.clone()),
    }
}
