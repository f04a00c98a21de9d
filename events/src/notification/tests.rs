use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::{
    decider::Decider,
    harness::{fold, given},
    ids::{EventId, UserId, derive},
};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn wish() -> NotificationRequested {
    NotificationRequested {
        user_id: UserId(derive(&["user"])),
        event_id: EventId(derive(&["event"])),
        template: template::WELCOME.name.to_owned(),
        lane: Lane::Transactional,
        expires_at: at(1_000),
    }
}

fn requested() -> NotificationEvent {
    NotificationEvent::NotificationRequested(wish())
}

fn sending(attempt: u32, until: i64) -> NotificationEvent {
    NotificationEvent::NotificationSending(NotificationSending { attempt, until: at(until) })
}

fn take(now: i64) -> NotificationCommand {
    NotificationCommand::Take { now: at(now), until: at(now + 60) }
}

fn accepted(attempt: u32) -> NotificationCommand {
    NotificationCommand::Conclude { attempt, outcome: Outcome::Accepted("id".to_owned()) }
}

fn received(attempt: u32, receipt: Receipt) -> NotificationCommand {
    NotificationCommand::Receive { attempt, provider_id: "id".to_owned(), receipt }
}

#[test]
fn a_request_made_twice_is_one() {
    given::<Notification>([requested()]).when(NotificationCommand::Request(wish())).then_nothing();
}

#[test]
fn only_one_dispatcher_holds_it_and_a_dead_ones_try_is_unknown() {
    given::<Notification>([requested()]).when(take(10)).then([sending(1, 70)]);
    given::<Notification>([requested(), sending(1, 70)])
        .when(take(69))
        .then_refused(&NotificationRefusal::NotDue(at(70)));
    given::<Notification>([requested(), sending(1, 70)])
        .when(take(70))
        .then([NotificationEvent::NotificationUnknown {}]);
}

#[test]
fn an_unknown_outcome_is_never_sent_again() {
    let unknown = [requested(), sending(1, 70), NotificationEvent::NotificationUnknown {}];
    given::<Notification>(unknown).when(take(100)).then_nothing();
}

#[test]
fn what_is_too_late_expires() {
    given::<Notification>([requested()]).when(take(1_000)).then([NotificationEvent::NotificationExpired {}]);
}

#[test]
fn a_deferred_one_waits_and_then_is_a_new_try() {
    let event = NotificationDeferred { error_code: "10011".to_owned(), not_before: at(30) };
    let deferred = [requested(), sending(1, 70), NotificationEvent::NotificationDeferred(event)];
    given::<Notification>(deferred.clone()).when(take(29)).then_refused(&NotificationRefusal::NotDue(at(30)));
    given::<Notification>(deferred.clone()).when(take(30)).then([sending(2, 90)]);
    given::<Notification>(deferred).when(accepted(1)).then_nothing();
}

#[test]
fn a_receipt_before_the_outcome_counts_and_the_outcome_then_does_not() {
    let receipt = received(1, Receipt::Delivered);
    let event = NotificationAccepted { provider_id: "id".to_owned() };
    let both = [NotificationEvent::NotificationAccepted(event), NotificationEvent::NotificationDelivered {}];
    given::<Notification>([requested(), sending(1, 70)]).when(receipt).then(both);
    given::<Notification>([requested(), sending(1, 70), NotificationEvent::NotificationDelivered {}])
        .when(accepted(1))
        .then_nothing();
}

#[test]
fn a_receipt_for_a_try_that_never_was_changes_nothing() {
    let receipt = received(2, Receipt::Delivered);
    given::<Notification>([requested(), sending(1, 70)]).when(receipt).then_nothing();
}

fn any_command() -> impl Strategy<Value = NotificationCommand> {
    let outcome = prop_oneof![
        Just(Outcome::Accepted("id".to_owned())),
        Just(Outcome::Refused("40310".to_owned())),
        Just(Outcome::Unknown),
        Just(Outcome::Suppressed("erased")),
        (0_i64..2_000)
            .prop_map(|s| Outcome::Deferred(NotificationDeferred { error_code: "x".to_owned(), not_before: at(s) })),
    ];
    let receipt = prop_oneof![Just(Receipt::Sent), Just(Receipt::Delivered), Just(Receipt::Failed("1".to_owned()))];
    prop_oneof![
        Just(NotificationCommand::Request(wish())),
        (0_i64..2_000).prop_map(take),
        (0_u32..4, outcome).prop_map(|(attempt, outcome)| NotificationCommand::Conclude { attempt, outcome }),
        (0_u32..4, receipt).prop_map(|(attempt, receipt)| received(attempt, receipt)),
        Just(NotificationCommand::GiveUp),
    ]
}

proptest! {
    #[test]
    fn it_ends_once_and_every_try_is_taken_first(commands in prop::collection::vec(any_command(), 0..60)) {
        let mut history = Vec::new();
        for command in commands {
            let before = fold::<Notification>(history.clone());
            let Ok(events) = Notification::decide(&before, command.clone()) else { continue };
            prop_assert!(events.is_empty() || !before.as_ref().is_some_and(|it| it.status.is_final()));
            history.extend(events);
            let after = fold::<Notification>(history.clone());
            let repeatable = !matches!(command, NotificationCommand::Take { .. });
            if repeatable && after.is_some() {
                prop_assert_eq!(Notification::decide(&after, command), Ok(vec![]));
            }
        }
        let tries: Vec<u32> = history.iter().filter_map(|event| match event {
            NotificationEvent::NotificationSending(event) => Some(event.attempt),
            _ => None,
        }).collect();
        prop_assert_eq!(tries.clone(), (1..).take(tries.len()).collect::<Vec<u32>>());
    }
}
