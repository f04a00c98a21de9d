use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    decider::Decider,
    envelope::Recorded,
    harness::{fold, given, recorded},
    ids::RoleId,
    permission::{Permission, Permissions},
    stream::StreamId,
    values::{Description, Level, RoleName},
};

fn permissions(names: &[&str]) -> Permissions {
    Permissions(names.iter().map(|name| Permission::parse(name).unwrap()).collect::<BTreeSet<_>>())
}

fn dispatcher() -> RoleCreated {
    RoleCreated {
        name: RoleName::parse("Dispatcher").unwrap(),
        description: Description::none(),
        level: Level::try_from(3).unwrap(),
        permissions: permissions(&["users:read"]),
    }
}

fn created() -> RoleEvent {
    RoleEvent::RoleCreated(dispatcher())
}

#[test]
fn a_retired_role_frees_its_name_and_does_not_change() {
    let retired = [created(), RoleEvent::RoleRetired {}];
    assert!(Role::claims(&fold::<Role>(retired.clone())).is_empty());
    let change = RoleChanged { level: Some(Level::MAX), ..RoleChanged::default() };
    given::<Role>(retired.clone()).when(RoleCommand::Change(change)).then_refused(&RoleRefusal::Retired);
    given::<Role>(retired).when(RoleCommand::Retire).then_nothing();
}

#[test]
fn the_administrator_role_is_fixed() {
    let history = recorded(StreamId::from(RoleId::administrator()), [created()]);
    let mut state = None;
    history.iter().for_each(|event: &Recorded<_>| Role::evolve(&mut state, event));
    assert_eq!(Role::decide(&state, RoleCommand::Retire), Err(RoleRefusal::Administrator));
    let change = RoleChanged { level: Some(Level::MIN), ..RoleChanged::default() };
    assert_eq!(Role::decide(&state, RoleCommand::Change(change)), Err(RoleRefusal::Administrator));
}

#[test]
fn only_what_differs_is_recorded() {
    let wish = RoleChanged { name: Some(dispatcher().name), level: Some(Level::MAX), ..RoleChanged::default() };
    let change = RoleChanged { level: Some(Level::MAX), ..RoleChanged::default() };
    given::<Role>([created()]).when(RoleCommand::Change(wish)).then([RoleEvent::RoleChanged(change)]);
}

fn any_command() -> impl Strategy<Value = RoleCommand> {
    prop_oneof![
        Just(RoleCommand::Create(dispatcher())),
        (1_u8..=10).prop_map(|level| {
            let level = Some(Level::try_from(level).unwrap());
            RoleCommand::Change(RoleChanged { level, ..RoleChanged::default() })
        }),
        prop_oneof!["a", "b"].prop_map(|name| {
            let name = Some(RoleName::parse(&name).unwrap());
            RoleCommand::Change(RoleChanged { name, ..RoleChanged::default() })
        }),
        Just(RoleCommand::Retire),
    ]
}

proptest! {
    #[test]
    fn whatever_was_decided_can_be_folded_and_repeating_it_changes_nothing(commands in prop::collection::vec(any_command(), 0..30)) {
        let mut history = Vec::new();
        for command in commands {
            let Ok(events) = Role::decide(&fold::<Role>(history.clone()), command.clone()) else { continue };
            let retired = events.contains(&RoleEvent::RoleRetired {});
            history.extend(events);
            let after = fold::<Role>(history.clone());
            prop_assert!(!retired || after.as_ref().unwrap().status == RoleStatus::Retired);
            prop_assert_eq!(Role::decide(&after, command), Ok(vec![]));
        }
    }
}
