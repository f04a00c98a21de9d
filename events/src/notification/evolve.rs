use super::{
    event::{NotificationEvent, NotificationRequested},
    state::{Delivery, NotificationState},
};
use crate::{envelope::Recorded, ids::NotificationId};

pub(super) fn evolve(state: &mut Option<NotificationState>, recorded: &Recorded<NotificationEvent>) {
    if let (None, NotificationEvent::NotificationRequested(event)) = (state.as_ref(), &recorded.event) {
        *state = Some(requested(event, recorded));
    }
    let Some(it) = state else { return };
    it.version = recorded.version;
    it.updated_at = recorded.recorded_at;
    let stood = it.status;
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
        NotificationEvent::NotificationDied(event) => {
            (it.status, it.due) = (Delivery::Dead, None);
            it.error_code = event.error_code.clone().or(it.error_code.take());
        }
        NotificationEvent::NotificationLookedUp(event) => {
            let all = u32::try_from(it.look_ups().len()).unwrap_or(u32::MAX);
            it.look_ups = if event.again { it.look_ups + 1 } else { all };
        }
        NotificationEvent::NotificationRedriven(event) => {
            (it.status, it.due, it.error_code) = (Delivery::Pending, None, None);
            // What the provider says from now on is of another message.
            (it.provider_id, it.expires_at) = (None, event.expires_at);
            it.redriven += 1;
        }
    }
    if it.status != stood {
        it.look_ups = 0;
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
        look_ups: 0,
        redriven: 0,
        correlation_id: recorded.metadata.correlation_id,
        traceparent: recorded.metadata.traceparent.clone(),
        version: recorded.version,
        created_at: recorded.recorded_at,
        updated_at: recorded.recorded_at,
    }
}
