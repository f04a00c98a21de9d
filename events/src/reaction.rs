//! Which events lead to a notification.

use crate::{
    envelope::Recorded,
    ids::{NotificationId, UserId},
    notification::{
        NotificationRequested,
        template::{Template, WELCOME},
    },
    user::UserEvent,
};

/// One notification that an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Derived from event, recipient and template: however often the event comes, it is one notification.
    pub id: NotificationId,
    /// What commit 1 of its stream records.
    pub request: NotificationRequested,
}

/// The notifications that an event of a user leads to.
pub fn of_user(recorded: &Recorded<UserEvent>) -> Vec<Reaction> {
    let user = UserId(recorded.stream.id);
    let templates: &[&Template] = match &recorded.event {
        // Nobody stands behind the seeded administrator's telephone number.
        UserEvent::UserRegistered(_) if user != UserId::seeded_administrator() => &[&WELCOME],
        UserEvent::UserCodeRequested(event) => &[Template::for_code(event.purpose)],
        _ => &[],
    };
    let applying = templates.iter().filter(|template| recorded.recorded_at >= template.applies_from);
    applying
        .map(|template| Reaction {
            id: NotificationId::caused_by(recorded.event_id, user, template.name),
            request: NotificationRequested {
                user_id: user,
                event_id: recorded.event_id,
                template: template.name.to_owned(),
                lane: template.lane,
                expires_at: recorded.recorded_at + template.lifetime,
            },
        })
        .collect()
}
