//! What one notification needs next: to be sent, to be looked for, or to be concluded.

use std::error::Error;

use chrono::TimeDelta;
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::NotificationId,
    notification::{
        Delivery, Notification, NotificationCommand, NotificationDeferred, NotificationEvent, NotificationRefusal,
        NotificationState, Withheld,
    },
    number::{NumberCommand, NumberRefusal, Source, Wish},
    values::Phone,
};
use platform::{
    context::Context,
    lifecycle::Shutdown,
    store::{ExecuteError, Executed, Folded, Intent, StoreError},
    telemetry::{
        metrics::{SEND_ALARMS, SENDS},
        trip::{Hop, SpanKind, Start},
    },
    telnyx::address::WebhookAddress,
};

use super::{
    judge::{Judge, Ready},
    pacing::{Pacer, Turn},
    telnyx::{Consequence, Outgoing, Telnyx},
};

/// How long a dispatcher holds a notification: the longest request, with the writes around it.
const HOLD: TimeDelta = TimeDelta::seconds(20);

/// Why a notification is given up whose data cannot be read.
const UNREADABLE: &str = "unreadable";

/// Works on notifications.
#[derive(Debug)]
pub struct Worker {
    pub(super) context: Context,
    pub(super) telnyx: Telnyx,
    judge: Judge,
    pacer: Pacer,
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
            Delivery::Pending | Delivery::Sending => self.settle(&it, NotificationCommand::Settle { now }).await,
            _ if it.look_again_at().is_some_and(|at| at <= now) => self.look_up(&it, now).await,
            Delivery::Dead => Ok(Done::Dead),
            _ => Ok(Done::Finished),
        }
    }

    async fn send(&self, it: &NotificationState, shutdown: &Shutdown) -> Result<Done, WorkError> {
        let Ready { to, text, of } = match self.judge.judge(it).await? {
            Ok(ready) => ready,
            Err(withheld) => return self.withhold(it, withheld).await,
        };
        let turn = tokio::select! {
            turn = self.pacer.turn(it.lane, of.segments) => turn?,
            () = shutdown.begun() => return Ok(Done::GivenBack),
        };
        let moment = match turn {
            Turn::At(moment) => moment,
            Turn::Stopped(stopped) => {
                let (error_code, not_before) = (stopped.cause, stopped.until);
                return self.withhold(it, Withheld::Until(NotificationDeferred { error_code, not_before })).await;
            }
        };
        let now = self.context.clock.now();
        let take = NotificationCommand::Take { now, until: now + HOLD, text: of };
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
        let attempt = sending.attempt;
        let webhook_url = self.webhook_url(it.id, attempt);
        let message = Outgoing { id: it.id, attempt, to: to.clone(), text, webhook_url };
        self.pacer.until(moment).await;
        let hop = Start::new(SpanKind::Client, "telnyx.send").with("http.route", "/v2/messages").begin();
        let sent = hop.clone().carry(self.telnyx.send(message, || self.context.clock.now())).await;
        let outcome = sent.outcome.clone();
        hop.note("fieldfuze.outcome", outcome.name());
        drop(hop);
        SENDS.add(1, [outcome.name().into()]);
        tracing::info!(notification = %it.id, attempt, outcome = outcome.name(), "a notification was tried");
        let concluded = self.settle(it, NotificationCommand::Conclude { attempt, outcome }).await;
        if let Some(consequence) = &sent.consequence
            && let Err(error) = self.draw(it, &to, consequence).await
        {
            tracing::warn!(notification = %it.id, error = &*error as &dyn Error, "what an answer means for others was not kept");
        }
        concluded
    }

    /// Where the provider tells what became of a try.
    pub(super) fn webhook_url(&self, id: NotificationId, attempt: u32) -> String {
        WebhookAddress { notification: id, attempt }.url(&self.public_url)
    }

    async fn draw(
        &self,
        it: &NotificationState,
        to: &Phone,
        consequence: &Consequence,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        match consequence {
            Consequence::Works => self.pacer.worked().await?,
            Consequence::NoAnswer => self.pacer.unanswered().await?,
            Consequence::HoldBack(until) => self.pacer.hold_back(*until).await?,
            Consequence::Stop(scope, stopped) => self.pacer.stop(*scope, stopped).await?,
            Consequence::OptedOut => {
                self.pacer.worked().await?;
                let wish = Wish { source: Source::Provider, said_at: self.context.clock.now() };
                let command = NumberCommand::OptOut(wish);
                self.context.numbers.record::<NumberRefusal>(to, command, metadata(it)).await?;
            }
            Consequence::Alarm(code) => {
                SEND_ALARMS.add(1, ["message-refused".into()]);
                tracing::error!(alarm = "message-refused", notification = %it.id, template = it.template, code, "the provider refuses a message for a reason that somebody has to mend");
            }
        }
        Ok(())
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

    /// Records what a notification came to, and tells what that means for its message.
    pub(super) async fn settle(&self, it: &NotificationState, command: NotificationCommand) -> Result<Done, WorkError> {
        let state = self.command(it, command).await?.folded.state;
        Ok(if state.is_some_and(|it| it.status == Delivery::Dead) { Done::Dead } else { Done::Finished })
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

/// The trip goes on: its correlation id is that of the event which caused the notification.
fn metadata(it: &NotificationState) -> Metadata {
    Metadata {
        actor: Actor::System,
        reason: None,
        correlation_id: it.correlation_id,
        causation_id: Some(it.event_id),
        traceparent: Hop::current().traceparent().or_else(|| it.traceparent.clone()),
    }
}
