//! Which events lead to a notification.

use crate::{
    envelope::Recorded,
    event::EventData,
    ids::{NotificationId, UserId},
    notification::{
        NotificationRequested,
        template::{
            NEW_DEVICE, PASSWORD_CHANGED, REACTIVATED, ROLE_GRANTED, ROLE_REVOKED, SUSPENDED, Template, WELCOME,
        },
    },
    session::SessionEvent,
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

/// Events that somebody may have to hear of.
pub trait Notifying: EventData {
    /// Whom an event concerns, and what they are told.
    fn tells(recorded: &Recorded<Self>) -> Option<(UserId, &'static Template)>;

    /// The notification that an event leads to.
    fn reaction(recorded: &Recorded<Self>) -> Option<Reaction> {
        let (user, template) = Self::tells(recorded)?;
        (recorded.recorded_at >= template.applies_from).then(|| Reaction {
            id: NotificationId::caused_by(recorded.event_id, user, template.name),
            request: NotificationRequested {
                user_id: user,
                event_id: recorded.event_id,
                template: template.name.to_owned(),
                lane: template.lane,
                expires_at: recorded.recorded_at + template.lifetime,
            },
        })
    }
}

impl Notifying for UserEvent {
    fn tells(recorded: &Recorded<Self>) -> Option<(UserId, &'static Template)> {
        let user = UserId(recorded.stream.id);
        let template = match &recorded.event {
            // A code is asked for by somebody who reads it.
            Self::UserCodeRequested(event) => Template::for_code(event.purpose),
            // Nobody stands behind the seeded administrator's telephone number.
            _ if user == UserId::seeded_administrator() => return None,
            Self::UserRegistered(_) => &WELCOME,
            Self::UserSuspended {} => &SUSPENDED,
            Self::UserReactivated {} => &REACTIVATED,
            Self::UserRoleAssigned(_) => &ROLE_GRANTED,
            Self::UserRoleRevoked(_) => &ROLE_REVOKED,
            Self::UserPasswordChanged {} => &PASSWORD_CHANGED,
            _ => return None,
        };
        Some((user, template))
    }
}

impl Notifying for SessionEvent {
    fn tells(recorded: &Recorded<Self>) -> Option<(UserId, &'static Template)> {
        match &recorded.event {
            Self::SessionStarted(event) if event.new_device && event.user_id != UserId::seeded_administrator() => {
                Some((event.user_id, &NEW_DEVICE))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::{
        harness::recorded,
        ids::{RoleId, derive},
        notification::template::ALL,
        session::SessionStarted,
        stream::{Category, StreamId},
        user::{CodePurpose, CodeRequested, RoleAssigned, RoleRevoked},
    };

    fn told<E: Notifying>(stream: StreamId, event: E, since_the_epoch: TimeDelta) -> Option<String> {
        let mut recorded = recorded(stream, [event]).remove(0);
        recorded.recorded_at = DateTime::UNIX_EPOCH + since_the_epoch;
        E::reaction(&recorded).map(|reaction| reaction.request.template)
    }

    /// Later than any template came into use.
    fn today() -> TimeDelta {
        ALL.into_iter().map(|template| template.applies_from).max().unwrap_or_default() - DateTime::UNIX_EPOCH
    }

    fn of_users() -> Vec<(UserEvent, Option<&'static str>)> {
        let role_id = RoleId(derive(&["role"]));
        let code = |purpose| UserEvent::UserCodeRequested(CodeRequested { purpose });
        vec![
            (code(CodePurpose::Invitation), Some("invitation")),
            (code(CodePurpose::PasswordReset), Some("password-reset")),
            (code(CodePurpose::SignIn), Some("sign-in-code")),
            (code(CodePurpose::SmsFactor), Some("sms-factor")),
            (UserEvent::UserSuspended {}, Some("suspended")),
            (UserEvent::UserReactivated {}, Some("reactivated")),
            (
                UserEvent::UserRoleAssigned(RoleAssigned { role_id, scope: None, expires_at: None }),
                Some("role-granted"),
            ),
            (UserEvent::UserRoleRevoked(RoleRevoked { role_id }), Some("role-revoked")),
            (UserEvent::UserPasswordChanged {}, Some("password-changed")),
            (UserEvent::UserInvitationAccepted {}, None),
            (UserEvent::UserSessionsEnded {}, None),
            (UserEvent::UserErased {}, None),
        ]
    }

    #[test]
    fn each_event_leads_to_its_one_text() {
        let user = StreamId { category: Category::User, id: derive(&["user"]) };
        for (event, template) in of_users() {
            assert_eq!(told(user, event.clone(), today()).as_deref(), template, "{event:?}");
        }
    }

    #[test]
    fn what_happened_before_a_template_was_there_is_not_told() {
        let user = StreamId { category: Category::User, id: derive(&["user"]) };
        let before = today() - TimeDelta::microseconds(1);
        for (event, template) in of_users() {
            let code = matches!(event, UserEvent::UserCodeRequested(_));
            assert_eq!(told(user, event.clone(), before).as_deref(), template.filter(|_| code), "{event:?}");
        }
    }

    #[test]
    fn the_seeded_administrator_is_sent_codes_and_no_news() {
        let administrator = UserId::seeded_administrator().into();
        for (event, template) in of_users() {
            let code = matches!(event, UserEvent::UserCodeRequested(_));
            assert_eq!(told(administrator, event.clone(), today()).as_deref(), template.filter(|_| code), "{event:?}");
        }
    }

    #[test]
    fn a_sign_in_is_told_of_when_its_device_is_new() {
        let session = StreamId { category: Category::Session, id: derive(&["session"]) };
        let started = |user_id, new_device| {
            let expires_at = DateTime::UNIX_EPOCH;
            SessionEvent::SessionStarted(SessionStarted { user_id, expires_at, new_device })
        };
        let ada = UserId(derive(&["ada"]));
        assert_eq!(told(session, started(ada, true), today()).as_deref(), Some("new-device"));
        assert_eq!(told(session, started(ada, false), today()), None);
        assert_eq!(told(session, started(UserId::seeded_administrator(), true), today()), None);
    }
}
