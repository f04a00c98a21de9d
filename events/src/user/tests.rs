use proptest::prelude::*;

use super::*;
use crate::{
    decider::Decider,
    harness::{fold, given},
    ids::{RoleId, derive},
    values::{Email, Locale, PersonName, Phone, TimeZone, Username},
};

fn ada() -> Register {
    Register {
        email: Email::parse("ada@example.com").unwrap(),
        username: Username::parse("ada").unwrap(),
        first_name: PersonName::parse("Ada").unwrap(),
        last_name: PersonName::parse("Lovelace").unwrap(),
        phone: Phone::parse("+15125550123").unwrap(),
        locale: Locale::default(),
        time_zone: TimeZone::default(),
        with_password: false,
    }
}

fn registered() -> UserEvent {
    User::decide(&None, UserCommand::Register(ada())).unwrap().remove(0)
}

fn role(number: u8) -> RoleId {
    RoleId(derive(&["role", &number.to_string()]))
}

fn assigned(number: u8) -> UserEvent {
    UserEvent::UserRoleAssigned(RoleAssigned { role_id: role(number), scope: None, expires_at: None })
}

#[test]
fn a_user_without_a_password_is_invited() {
    let state = fold::<User>([registered()]).unwrap();
    assert_eq!(state.status, Status::Invited);
    let with_password = UserCommand::Register(Register { with_password: true, ..ada() });
    let events = User::decide(&None, with_password).unwrap();
    assert_eq!(fold::<User>(events).unwrap().status, Status::Active);
}

#[test]
fn registering_the_same_user_again_changes_nothing_and_another_one_is_refused() {
    given::<User>([registered()]).when(UserCommand::Register(ada())).then_nothing();
    let other = Register { username: Username::parse("countess").unwrap(), ..ada() };
    given::<User>([registered()]).when(UserCommand::Register(other)).then_refused(&UserRefusal::Exists);
}

#[test]
fn a_reactivated_user_returns_to_where_they_stood() {
    given::<User>([registered()]).when(UserCommand::Suspend).then([UserEvent::UserSuspended {}]);
    let suspended = [registered(), UserEvent::UserSuspended {}];
    given::<User>(suspended.clone()).when(UserCommand::Suspend).then_nothing();
    given::<User>(suspended).when(UserCommand::Reactivate).then([UserEvent::UserReactivated {}]);
    let back = fold::<User>([registered(), UserEvent::UserSuspended {}, UserEvent::UserReactivated {}]);
    assert_eq!(back.unwrap().status, Status::Invited);
}

#[test]
fn what_was_never_suspended_cannot_be_reactivated() {
    let refusal = UserRefusal::NotSuspended(Status::Invited);
    given::<User>([registered()]).when(UserCommand::Reactivate).then_refused(&refusal);
    given::<User>([]).when(UserCommand::Suspend).then_refused(&UserRefusal::NotFound);
}

#[test]
fn only_what_differs_is_recorded() {
    let change = ChangeProfile {
        first_name: Some(PersonName::parse("Augusta").unwrap()),
        last_name: Some(PersonName::parse("Lovelace").unwrap()),
        ..ChangeProfile::default()
    };
    let first_name = Some(PersonName::parse("Augusta").unwrap().into());
    given::<User>([registered()])
        .when(UserCommand::ChangeProfile(change))
        .then([UserEvent::UserProfileChanged(ProfileChanged { first_name, ..ProfileChanged::default() })]);
}

#[test]
fn a_user_has_a_bounded_number_of_roles() {
    let full = std::iter::once(registered()).chain((0..50).map(assigned));
    let one_more = UserCommand::AssignRole(AssignRole { role_id: role(50), scope: None, expires_at: None });
    given::<User>(full).when(one_more).then_refused(&UserRefusal::TooManyRoles);
}

#[test]
fn a_username_that_is_ones_own_address_is_one_claim() {
    let own = Register { username: Username::parse("ADA@example.com").unwrap(), ..ada() };
    let events = User::decide(&None, UserCommand::Register(own)).unwrap();
    assert_eq!(User::claims(&fold::<User>(events)).len(), 1);
    assert_eq!(User::claims(&fold::<User>([registered()])).len(), 2);
}

fn any_command() -> impl Strategy<Value = UserCommand> {
    let change = prop_oneof!["ada", "bob", "eve"].prop_map(|name| {
        UserCommand::ChangeProfile(ChangeProfile {
            username: Some(Username::parse(&name).unwrap()),
            ..ChangeProfile::default()
        })
    });
    prop_oneof![
        Just(UserCommand::Register(ada())),
        change,
        Just(UserCommand::Suspend),
        Just(UserCommand::Reactivate),
        (0_u8..3).prop_map(|n| UserCommand::AssignRole(AssignRole { role_id: role(n), scope: None, expires_at: None })),
        (0_u8..3).prop_map(|n| UserCommand::RevokeRole(role(n))),
    ]
}

proptest! {
    #[test]
    fn whatever_was_decided_can_be_folded_and_repeating_it_changes_nothing(commands in prop::collection::vec(any_command(), 0..30)) {
        let mut history = Vec::new();
        for command in commands {
            let state = fold::<User>(history.clone());
            let Ok(events) = User::decide(&state, command.clone()) else { continue };
            history.extend(events);
            let after = fold::<User>(history.clone());
            prop_assert!(after.is_some());
            prop_assert_eq!(User::decide(&after, command).unwrap_or_default(), vec![]);
        }
    }

    #[test]
    fn an_event_reads_back_from_its_stored_form(commands in prop::collection::vec(any_command(), 1..10)) {
        use crate::event::EventData;
        for command in commands {
            for event in User::decide(&fold::<User>([registered()]), command).unwrap_or_default() {
                prop_assert_eq!(UserEvent::from_stored(event.to_stored()).unwrap(), event);
            }
        }
    }
}
