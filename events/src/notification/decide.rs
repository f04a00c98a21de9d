use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{
    command::{NotificationCommand, Outcome, Receipt, TextOf, Withheld},
    event::{
        NotificationAccepted, NotificationDied, NotificationEvent, NotificationFailed, NotificationLookedUp,
        NotificationRedriven, NotificationSending, NotificationSuppressed,
    },
    evolve::evolve,
    state::{Delivery, Lane, NotificationState},
};
use crate::{
    claim::Claim,
    decider::{Decider, Refusal, RefusalKind},
    envelope::Recorded,
    stream::Category,
};

/// The rules of notifications.
#[derive(Debug, Clone, Copy)]
pub struct Notification;

/// Why a notification's command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotificationRefusal {
    /// There is none.
    #[error("there is no such notification")]
    NotFound,
    /// Another dispatcher holds it until then, or it is not to be tried before.
    #[error("the notification is not due")]
    NotDue(DateTime<Utc>),
    /// It is on its way, has arrived, or brings a one-time code that is worth nothing any more.
    #[error("the notification cannot be sent once more")]
    NotRedrivable,
}

impl Refusal for NotificationRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NotDue(_) => "notification-not-due",
            Self::NotRedrivable => "notification-not-redrivable",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::NotDue(_) | Self::NotRedrivable => RefusalKind::Conflict,
        }
    }
}

impl Decider for Notification {
    const CATEGORY: Category = Category::Notification;
    const STATE_SCHEMA: u32 = 2;
    type State = Option<NotificationState>;
    type Event = NotificationEvent;
    type Command = NotificationCommand;
    type Refusal = NotificationRefusal;

    fn evolve(state: &mut Self::State, recorded: &Recorded<NotificationEvent>) {
        evolve(state, recorded);
    }

    fn decide(
        state: &Self::State,
        command: NotificationCommand,
    ) -> Result<Vec<NotificationEvent>, NotificationRefusal> {
        let it = match (state, command) {
            (None, NotificationCommand::Request(event)) => {
                return Ok(vec![NotificationEvent::NotificationRequested(event)]);
            }
            (None, _) => return Err(NotificationRefusal::NotFound),
            (Some(it), command) => (it, command),
        };
        match it {
            (_, NotificationCommand::Request(_)) => Ok(vec![]),
            (it, NotificationCommand::Settle { now }) => Ok(settle(it, now)),
            (it, NotificationCommand::Take { now, until, text }) => take(it, now, until, text),
            (it, NotificationCommand::Withhold(withheld)) => Ok(withhold(it, withheld)),
            (it, NotificationCommand::Conclude { attempt, outcome }) => Ok(conclude(it, attempt, outcome)),
            (it, NotificationCommand::Receive { attempt, provider_id, receipt }) => {
                Ok(receive(it, attempt, provider_id, receipt))
            }
            (it, NotificationCommand::FoundNothing { look_ups, again, resend, now }) => {
                Ok(found_nothing(it, look_ups, again, resend && now < it.expires_at))
            }
            (it, NotificationCommand::Redrive { expires_at }) => redrive(it, expires_at),
            (it, NotificationCommand::Discard) => Ok(match it.status {
                Delivery::Pending | Delivery::Unknown | Delivery::Dead => vec![failed(DISCARDED.to_owned())],
                _ => vec![],
            }),
            (it, NotificationCommand::GiveUp(why)) => Ok(match it.status {
                Delivery::Pending => vec![died(why.to_owned())],
                _ => vec![],
            }),
        }
    }

    fn claims(_: &Self::State) -> BTreeSet<Claim> {
        BTreeSet::new()
    }
}

/// The code of what an operator gave up.
const DISCARDED: &str = "discarded";

fn failed(error_code: String) -> NotificationEvent {
    NotificationEvent::NotificationFailed(NotificationFailed { error_code })
}

fn died(error_code: String) -> NotificationEvent {
    NotificationEvent::NotificationDied(NotificationDied { error_code: Some(error_code) })
}

fn suppressed(cause: &'static str) -> NotificationEvent {
    NotificationEvent::NotificationSuppressed(NotificationSuppressed { cause: cause.to_owned() })
}

fn settle(it: &NotificationState, now: DateTime<Utc>) -> Vec<NotificationEvent> {
    match it.status {
        // Whoever held it died between `sending` and an outcome: the request may have gone out.
        Delivery::Sending if it.due.is_none_or(|due| due <= now) => vec![NotificationEvent::NotificationUnknown {}],
        Delivery::Pending if it.expires_at <= now => vec![NotificationEvent::NotificationExpired {}],
        _ => vec![],
    }
}

fn take(
    it: &NotificationState,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    text: TextOf,
) -> Result<Vec<NotificationEvent>, NotificationRefusal> {
    match (it.status, it.due) {
        (Delivery::Sending, Some(due)) => Err(NotificationRefusal::NotDue(due)),
        (Delivery::Pending, Some(due)) if due > now => Err(NotificationRefusal::NotDue(due)),
        (Delivery::Pending, _) if it.expires_at <= now => Ok(settle(it, now)),
        (Delivery::Pending, _) => Ok(vec![NotificationEvent::NotificationSending(NotificationSending {
            attempt: it.attempt + 1,
            until,
            template_version: Some(text.template_version),
            segments: Some(text.segments),
        })]),
        _ => Ok(vec![]),
    }
}

fn withhold(it: &NotificationState, withheld: Withheld) -> Vec<NotificationEvent> {
    match (it.status, withheld) {
        (Delivery::Pending, Withheld::Until(event)) if it.due == Some(event.not_before) => vec![],
        (Delivery::Pending, Withheld::Until(event)) => vec![NotificationEvent::NotificationDeferred(event)],
        (Delivery::Pending, Withheld::Suppressed(cause)) => vec![suppressed(cause)],
        _ => vec![],
    }
}

fn conclude(it: &NotificationState, attempt: u32, outcome: Outcome) -> Vec<NotificationEvent> {
    let open = matches!(it.status, Delivery::Sending | Delivery::Unknown);
    if !open || attempt != it.attempt {
        return vec![];
    }
    match outcome {
        Outcome::Accepted(provider_id) => {
            vec![NotificationEvent::NotificationAccepted(NotificationAccepted { provider_id })]
        }
        Outcome::Deferred(event) => vec![NotificationEvent::NotificationDeferred(event)],
        Outcome::Refused(error_code) => vec![failed(error_code)],
        Outcome::Malformed(error_code) => vec![died(error_code)],
        Outcome::Unknown if it.status == Delivery::Unknown => vec![],
        Outcome::Unknown => vec![NotificationEvent::NotificationUnknown {}],
        Outcome::Suppressed(cause) => vec![suppressed(cause)],
    }
}

/// A receipt can come before the outcome, twice, or in disorder: it only ever moves a notification forward.
fn receive(it: &NotificationState, attempt: u32, provider_id: String, receipt: Receipt) -> Vec<NotificationEvent> {
    if it.status.is_final() || attempt == 0 || attempt > it.attempt {
        return vec![];
    }
    // A try that is over: another one was made, or will be. That it is on its way or failed is old news, and must not take
    // the place of the try that counts; that it arrived ends it all.
    let over = attempt < it.attempt || it.status == Delivery::Pending;
    if over && receipt != Receipt::Delivered {
        return vec![];
    }
    // That there is a receipt proves that the provider took it.
    let accepted = NotificationEvent::NotificationAccepted(NotificationAccepted { provider_id });
    let accepted = it.provider_id.is_none().then_some(accepted);
    let sent = (it.status != Delivery::Sent).then_some(NotificationEvent::NotificationSent {});
    let (sent, said) = match receipt {
        Receipt::Sent => (sent, None),
        Receipt::Delivered => (None, Some(NotificationEvent::NotificationDelivered {})),
        Receipt::Failed(error_code) => (None, Some(failed(error_code))),
        Receipt::Unconfirmed if sent.is_none() && it.look_again_at().is_none() => (None, None),
        Receipt::Unconfirmed => (sent, Some(looked_up(false))),
    };
    accepted.into_iter().chain(sent).chain(said).collect()
}

fn looked_up(again: bool) -> NotificationEvent {
    NotificationEvent::NotificationLookedUp(NotificationLookedUp { again })
}

fn found_nothing(it: &NotificationState, look_ups: u32, again: bool, resend: bool) -> Vec<NotificationEvent> {
    if it.look_ups != look_ups || it.look_again_at().is_none() {
        return vec![];
    }
    let once_more = it.status == Delivery::Unknown && it.is_last_look_up() && resend && it.redriven == 0;
    let redriven = NotificationRedriven { expires_at: it.expires_at };
    let once_more = once_more.then_some(NotificationEvent::NotificationRedriven(redriven));
    [looked_up(again)].into_iter().chain(once_more).collect()
}

fn redrive(it: &NotificationState, expires_at: DateTime<Utc>) -> Result<Vec<NotificationEvent>, NotificationRefusal> {
    match it.status {
        Delivery::Pending => Ok(vec![]),
        _ if it.lane == Lane::Code => Err(NotificationRefusal::NotRedrivable),
        Delivery::Sending | Delivery::Accepted | Delivery::Sent | Delivery::Delivered => {
            Err(NotificationRefusal::NotRedrivable)
        }
        Delivery::Unknown | Delivery::Failed | Delivery::Expired | Delivery::Suppressed | Delivery::Dead => {
            Ok(vec![NotificationEvent::NotificationRedriven(NotificationRedriven { expires_at })])
        }
    }
}
