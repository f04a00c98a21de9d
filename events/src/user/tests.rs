use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::{
    decider::Decider,
    harness::{fold, given},
    ids::{RoleId, derive},
    notification::MessageCategory,
    values::{Email, Locale, PersonName, Phone, Scope, TimeZone, Username},
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
fn sessions_count_since_the_last_commit_that_ended_all_of_them() {
    given::<User>([registered()]).when(UserCommand::EndSessions).then([UserEvent::UserSessionsEnded {}]);
    let since = |events: &[UserEvent]| fold::<User>(events.to_vec()).unwrap().sessions_since.0;
    let (suspended, back) = (UserEvent::UserSuspended {}, UserEvent::UserReactivated {});
    assert_eq!(since(&[registered(), assigned(1)]), 0);
    assert_eq!(since(&[registered(), UserEvent::UserSessionsEnded {}, assigned(1)]), 2);
    assert_eq!(since(&[registered(), assigned(1), suspended, back]), 3);
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
    let one_more = UserCommand::AssignRole(AssignRole {
        role_id: role(50),
        scope: None,
        expires_at: None,
        now: DateTime::UNIX_EPOCH,
    });
    given::<User>(full).when(one_more).then_refused(&UserRefusal::TooManyRoles);
}

#[test]
fn a_role_that_has_ended_does_not_count_and_one_that_would_end_at_once_is_not_given() {
    let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
    let ending = |number| {
        UserEvent::UserRoleAssigned(RoleAssigned { role_id: role(number), scope: None, expires_at: Some(at(60)) })
    };
    let full = || std::iter::once(registered()).chain((0..50).map(ending));
    let new = |end, now| AssignRole { role_id: role(50), scope: None, expires_at: end, now };
    given::<User>(full()).when(UserCommand::AssignRole(new(None, at(59)))).then_refused(&UserRefusal::TooManyRoles);
    let past = UserCommand::AssignRole(new(Some(at(60)), at(60)));
    given::<User>(full()).when(past).then_refused(&UserRefusal::EndInThePast);
    given::<User>(full()).when(UserCommand::AssignRole(new(None, at(60)))).then([assigned(50)]);
    // The fold lets go of what has ended by the time of the next assignment.
    let later = full().chain((51..70).map(assigned));
    assert!(fold::<User>(later).unwrap().roles.len() <= 50);
}

#[test]
fn an_erased_user_is_nobody_for_ever() {
    given::<User>([registered()]).when(UserCommand::Erase).then([UserEvent::UserErased {}]);
    given::<User>([]).when(UserCommand::Erase).then_refused(&UserRefusal::NotFound);
    let erased = [registered(), assigned(1), UserEvent::UserErased {}];
    for command in [UserCommand::Erase, UserCommand::Suspend, UserCommand::Register(ada())] {
        given::<User>(erased.clone()).when(command).then_refused(&UserRefusal::Erased);
    }
    let state = fold::<User>(erased);
    assert!(User::is_erased(&state) && User::claims(&state).is_empty());
    assert_eq!(state.unwrap().roles, []);
}

#[test]
fn an_administrator_is_active_and_has_the_role_everywhere_and_without_end() {
    let member = |events: &[UserEvent]| !User::memberships(&fold::<User>(events.to_vec())).is_empty();
    let active =
        User::decide(&None, UserCommand::Register(Register { with_password: true, ..ada() })).unwrap().remove(0);
    let role = |scope, expires_at| {
        UserEvent::UserRoleAssigned(RoleAssigned { role_id: RoleId::administrator(), scope, expires_at })
    };
    assert!(member(&[active.clone(), role(None, None)]));
    assert!(!member(&[registered(), role(None, None)]));
    assert!(!member(&[active.clone(), role(Some(Scope::parse("branch:austin").unwrap()), None)]));
    assert!(!member(&[active.clone(), role(None, Some(DateTime::<Utc>::MAX_UTC))]));
    assert!(!member(&[active.clone(), role(None, None), UserEvent::UserSuspended {}]));
    assert!(!member(&[active, role(None, None), UserEvent::UserErased {}]));
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
        Just(UserCommand::Erase),
        (0_u8..3).prop_map(|n| UserCommand::AssignRole(AssignRole {
            role_id: role(n),
            scope: None,
            expires_at: None,
            now: DateTime::UNIX_EPOCH
        })),
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

fn invited() -> [UserEvent; 1] {
    [registered()]
}

fn accepted() -> [UserEvent; 2] {
    [registered(), UserEvent::UserInvitationAccepted {}]
}

fn requested(purpose: CodePurpose) -> UserEvent {
    UserEvent::UserCodeRequested(CodeRequested { purpose })
}

#[test]
fn an_invitation_is_sent_and_accepted_once() {
    let invite = UserCommand::RequestCode(CodePurpose::Invitation);
    given::<User>(invited()).when(invite.clone()).then([requested(CodePurpose::Invitation)]);
    given::<User>(invited()).when(UserCommand::AcceptInvitation).then([UserEvent::UserInvitationAccepted {}]);
    assert_eq!(fold::<User>(accepted()).unwrap().status, Status::Active);
    for command in [invite, UserCommand::AcceptInvitation] {
        given::<User>(accepted()).when(command).then_refused(&UserRefusal::NotInvited(Status::Active));
    }
}

#[test]
fn only_an_active_user_is_sent_other_codes_or_has_credentials_to_change() {
    let codes = [CodePurpose::PasswordReset, CodePurpose::SignIn, CodePurpose::SmsFactor];
    let others = [
        UserCommand::ChangePassword,
        UserCommand::RequirePasswordChange,
        UserCommand::AddFactor(Factor::Totp),
        UserCommand::RemoveFactor(Factor::Totp),
        UserCommand::ReplaceRecoveryCodes,
        UserCommand::UseRecoveryCode,
    ];
    for command in codes.map(UserCommand::RequestCode).into_iter().chain(others) {
        given::<User>(invited()).when(command).then_refused(&UserRefusal::NotActive(Status::Invited));
    }
    for purpose in codes {
        given::<User>(accepted()).when(UserCommand::RequestCode(purpose)).then([requested(purpose)]);
    }
}

#[test]
fn a_password_that_has_to_be_changed_ends_all_sessions_and_then_is() {
    let mut events = accepted().to_vec();
    let require = UserCommand::RequirePasswordChange;
    given::<User>(events.clone()).when(require.clone()).then([UserEvent::UserPasswordChangeRequired {}]);
    events.push(UserEvent::UserPasswordChangeRequired {});
    let user = fold::<User>(events.clone()).unwrap();
    assert!(user.password_change_required && user.sessions_since == user.version);
    given::<User>(events.clone()).when(require).then_nothing();
    events.push(UserEvent::UserPasswordChanged {});
    assert!(!fold::<User>(events).unwrap().password_change_required);
}

#[test]
fn a_factor_is_added_and_removed_once() {
    let factor = Factor::Totp;
    let (added, removed) =
        (UserEvent::UserFactorAdded(FactorChanged { factor }), UserEvent::UserFactorRemoved(FactorChanged { factor }));
    let mut events = accepted().to_vec();
    given::<User>(events.clone()).when(UserCommand::RemoveFactor(factor)).then_nothing();
    given::<User>(events.clone()).when(UserCommand::AddFactor(factor)).then([added.clone()]);
    events.push(added);
    given::<User>(events.clone()).when(UserCommand::AddFactor(factor)).then_nothing();
    given::<User>(events.clone()).when(UserCommand::RemoveFactor(factor)).then([removed.clone()]);
    assert_eq!(fold::<User>(events.clone()).unwrap().factors.len(), 1);
    events.push(removed);
    assert!(fold::<User>(events).unwrap().factors.is_empty());
}

#[test]
fn another_telephone_is_no_second_factor_until_somebody_shows_it() {
    let added = |factor| UserEvent::UserFactorAdded(FactorChanged { factor });
    let events = [accepted().to_vec(), vec![added(Factor::Sms), added(Factor::Totp)]].concat();
    let phone = Phone::parse("+15125550124").unwrap();
    let change = UserCommand::ChangeProfile(ChangeProfile { phone: Some(phone.clone()), ..ChangeProfile::default() });
    given::<User>(events.clone()).when(change).then([
        UserEvent::UserProfileChanged(ProfileChanged { phone: Some(phone.into()), ..ProfileChanged::default() }),
        UserEvent::UserFactorRemoved(FactorChanged { factor: Factor::Sms }),
    ]);
    let removed = |factor| UserEvent::UserFactorRemoved(FactorChanged { factor });
    given::<User>(events).when(UserCommand::RemoveFactors).then([
        removed(Factor::Totp),
        removed(Factor::Sms),
        UserEvent::UserSessionsEnded {},
    ]);
}

#[test]
fn whoever_was_invited_at_another_number_is_invited_anew() {
    let phone = Phone::parse("+15125550124").unwrap();
    let change = UserCommand::ChangeProfile(ChangeProfile { phone: Some(phone.clone()), ..ChangeProfile::default() });
    let changed =
        UserEvent::UserProfileChanged(ProfileChanged { phone: Some(phone.into()), ..ProfileChanged::default() });
    let anew = requested(CodePurpose::Invitation);
    given::<User>(invited()).when(change.clone()).then([changed.clone(), anew]);
    let suspended = [invited().to_vec(), vec![UserEvent::UserSuspended {}]].concat();
    for events in [accepted().to_vec(), suspended] {
        given::<User>(events).when(change.clone()).then([changed.clone()]);
    }
    let same = ChangeProfile { phone: Some(Phone::parse("+15125550123").unwrap()), ..ChangeProfile::default() };
    given::<User>(invited()).when(UserCommand::ChangeProfile(same)).then_nothing();
}

#[test]
fn what_protects_an_account_cannot_be_muted() {
    let wish = |muted: &[MessageCategory]| Preferences { muted: muted.iter().copied().collect(), quiet_hours: None };
    let set = |muted: &[MessageCategory]| UserCommand::SetPreferences(wish(muted));
    let changed = UserEvent::UserPreferencesChanged(wish(&[MessageCategory::Access]));
    given::<User>([registered()]).when(set(&[MessageCategory::Access])).then([changed.clone()]);
    given::<User>([registered(), changed.clone()]).when(set(&[MessageCategory::Access])).then_nothing();
    for category in [MessageCategory::Account, MessageCategory::Security] {
        let refusal = UserRefusal::NotMutable(category);
        given::<User>([registered()]).when(set(&[category, MessageCategory::Access])).then_refused(&refusal);
    }
    let erased = fold::<User>([registered(), changed, UserEvent::UserErased {}]).unwrap();
    assert_eq!(erased.preferences, Preferences::default());
}
