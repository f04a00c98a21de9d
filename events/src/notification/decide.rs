use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{
    event::{
        NotificationAccepted, NotificationDeferred, NotificationEvent, NotificationFailed, NotificationRequested,
        NotificationSending, NotificationSuppressed,
    },
    state::{Delivery, NotificationState},
};
use crate::{
    claim::Claim,
    decider::{Decider, Refusal, RefusalKind},
    envelope::Recorded,
    ids::NotificationId,
    stream::Category,
};

/// The rules of notifications.
#[derive(Debug, Clone, Copy)]
pub struct Notification;

/// What somebody wants of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationCommand {
    /// Tell somebody of something.
    Request(NotificationRequested),
    /// Take it for sending until `until`; or conclude that whoever held it before has died.
    Take {
        /// The moment of taking.
        now: DateTime<Utc>,
        /// When the holder counts as dead.
        until: DateTime<Utc>,
    },
    /// What came of the try with this number.
    Conclude {
        /// The fence: an older try has no say.
        attempt: u32,
        /// What came of it.
        outcome: Outcome,
    },
    /// What the provider says later of the try with this number.
    Receive {
        /// The try that the receipt names.
        attempt: u32,
        /// The provider's id of the message.
        provider_id: String,
        /// What it says.
        receipt: Receipt,
    },
    /// Give up: it was received too often without an end.
    GiveUp,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it under this id.
    Accepted(String),
    /// The provider certainly did not take it; try again later.
    Deferred(NotificationDeferred),
    /// The provider never will take it, by this code.
    Refused(String),
    /// Nobody knows.
    Unknown,
    /// A rule of ours forbids it.
    Suppressed(&'static str),
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Handed to the carrier.
    Sent,
    /// Arrived.
    Delivered,
    /// Will not arrive, by this code.
    Failed(String),
}

/// Why a notification's command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotificationRefusal {
    /// There is none.
    #[error("there is no such notification")]
    NotFound,
    /// Another dispatcher holds it until then, or it is not to be tried before.
    #[error("the notification is not due")]
    NotDue(DateTime<Utc>),
}

impl Refusal for NotificationRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NotDue(_) => "notification-not-due",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::NotFound => RefusalKind::NotFound,
            Self::NotDue(_) => RefusalKind::Conflict,
        }
    }
}

impl Decider for Notification {
    const CATEGORY: Category = Category::Notification;
    const STATE_SCHEMA: u32 = 1;
    type State = Option<NotificationState>;
    type Event = NotificationEvent;
    type Command = NotificationCommand;
    type Refusal = NotificationRefusal;

    fn evolve(state: &mut Self::State, recorded: &Recorded<NotificationEvent>) {
        if let (None, NotificationEvent::NotificationRequested(event)) = (state.as_ref(), &recorded.event) {
            *state = Some(requested(event, recorded));
        }
        let Some(it) = state else { return };
        it.version = recorded.version;
        it.updated_at = recorded.recorded_at;
        match &recorded.event {
            NotificationEvent::NotificationRequested(_) => (),
            NotificationEvent::NotificationSending(event) => {
                (it.status, it.attempt, it.due) = (Delivery::Sending, event.attempt, Some(event.until));
            }
            NotificationEvent::NotificationDeferred(event) => {
                (it.status, it.due) = (Delivery::Pending, Some(event.not_before));
                it.error_code = Some(event.error_code.clone());
            }
            NotificationEvent::NotificationAccepted(event) => {
                (it.status, it.due) = (Delivery::Accepted, None);
                it.provider_id = Some(event.provider_id.clone());
                it.error_code = None;
            }
            NotificationEvent::NotificationUnknown {} => (it.status, it.due) = (Delivery::Unknown, None),
            NotificationEvent::NotificationSent {} => (it.status, it.due) = (Delivery::Sent, None),
            NotificationEvent::NotificationDelivered {} => {
                (it.status, it.due, it.error_code) = (Delivery::Delivered, None, None);
            }
            NotificationEvent::NotificationFailed(event) => {
                (it.status, it.due) = (Delivery::Failed, None);
                it.error_code = Some(event.error_code.clone());
            }
            NotificationEvent::NotificationExpired {} => (it.status, it.due) = (Delivery::Expired, None),
            NotificationEvent::NotificationSuppressed(event) => {
                (it.status, it.due) = (Delivery::Suppressed, None);
                it.error_code = Some(event.cause.clone());
            }
            NotificationEvent::NotificationDied {} => (it.status, it.due) = (Delivery::Dead, None),
        }
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
            (it, NotificationCommand::Take { now, until }) => take(it, now, until),
            (it, NotificationCommand::Conclude { attempt, outcome }) => Ok(conclude(it, attempt, outcome)),
            (it, NotificationCommand::Receive { attempt, provider_id, receipt }) => {
                Ok(receive(it, attempt, provider_id, receipt))
            }
            (it, NotificationCommand::GiveUp) => Ok(match it.status {
                Delivery::Pending => vec![NotificationEvent::NotificationDied {}],
                _ => vec![],
            }),
        }
    }

    fn claims(_: &Self::State) -> BTreeSet<Claim> {
        BTreeSet::new()
    }
}

fn requested(event: &NotificationRequested, recorded: &Recorded<NotificationEvent>) -> NotificationState {
    NotificationState {
        id: NotificationId(recorded.stream.id),
        user_id: event.user_id,
        event_id: event.event_id,
        template: event.template.clone(),
        lane: event.lane,
        status: Delivery::Pending,
        attempt: 0,
        due: None,
        provider_id: None,
        error_code: None,
        expires_at: event.expires_at,
        version: recorded.version,
        created_at: recorded.recorded_at,
        updated_at: recorded.recorded_at,
    }
}

fn take(
    it: &NotificationState,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<NotificationEvent>, NotificationRefusal> {
    match (it.status, it.due) {
        (Delivery::Pending | Delivery::Sending, Some(due)) if due > now => Err(NotificationRefusal::NotDue(due)),
        // Whoever held it died between `sending` and an outcome: the request may have gone out.
        (Delivery::Sending, _) => Ok(vec![NotificationEvent::NotificationUnknown {}]),
        (Delivery::Pending, _) if it.expires_at <= now => Ok(vec![NotificationEvent::NotificationExpired {}]),
        (Delivery::Pending, _) => {
            let attempt = it.attempt + 1;
            Ok(vec![NotificationEvent::NotificationSending(NotificationSending { attempt, until })])
        }
        _ => Ok(vec![]),
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
        Outcome::Refused(error_code) => {
            vec![NotificationEvent::NotificationFailed(NotificationFailed { error_code })]
        }
        Outcome::Unknown if it.status == Delivery::Unknown => vec![],
        Outcome::Unknown => vec![NotificationEvent::NotificationUnknown {}],
        Outcome::Suppressed(cause) => {
            let cause = cause.to_owned();
            vec![NotificationEvent::NotificationSuppressed(NotificationSuppressed { cause })]
        }
    }
}

/// A receipt can come before the outcome, twice, or in disorder: it only ever moves a notification forward.
fn receive(it: &NotificationState, attempt: u32, provider_id: String, receipt: Receipt) -> Vec<NotificationEvent> {
    if it.status.is_final() || attempt == 0 || attempt > it.attempt {
        return vec![];
    }
    // That there is a receipt proves that the provider took it.
    let accepted = NotificationEvent::NotificationAccepted(NotificationAccepted { provider_id });
    let accepted = it.provider_id.is_none().then_some(accepted);
    let said = match receipt {
        Receipt::Sent if it.status == Delivery::Sent => None,
        Receipt::Sent => Some(NotificationEvent::NotificationSent {}),
        Receipt::Delivered => Some(NotificationEvent::NotificationDelivered {}),
        Receipt::Failed(error_code) => Some(NotificationEvent::NotificationFailed(NotificationFailed { error_code })),
    };
    accepted.into_iter().chain(said).collect()
}
