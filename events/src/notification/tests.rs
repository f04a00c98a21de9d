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
    let (template_version, segments) = (Some(1), Some(2));
    NotificationEvent::NotificationSending(NotificationSending {
        attempt,
        until: at(until),
        template_version,
        segments,
    })
}

fn take(now: i64) -> NotificationCommand {
    let text = TextOf { template_version: 1, segments: 2 };
    NotificationCommand::Take { now: at(now), until: at(now + 60), text }
}

fn settle(now: i64) -> NotificationCommand {
    NotificationCommand::Settle { now: at(now) }
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
    given::<Notification>([requested(), sending(1, 70)]).when(settle(69)).then_nothing();
    given::<Notification>([requested(), sending(1, 70)])
        .when(settle(70))
        .then([NotificationEvent::NotificationUnknown {}]);
}

#[test]
fn an_unknown_outcome_is_never_sent_again() {
    let unknown = [requested(), sending(1, 70), NotificationEvent::NotificationUnknown {}];
    given::<Notification>(unknown.clone()).when(take(100)).then_nothing();
    given::<Notification>(unknown).when(settle(100)).then_nothing();
}

#[test]
fn what_is_too_late_expires() {
    for late in [take(1_000), settle(1_000)] {
        given::<Notification>([requested()]).when(late).then([NotificationEvent::NotificationExpired {}]);
    }
    given::<Notification>([requested()]).when(settle(999)).then_nothing();
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
fn what_is_withheld_waits_or_is_never_sent_and_counts_as_no_try() {
    let later = NotificationDeferred { error_code: "quiet-hours".to_owned(), not_before: at(30) };
    let deferred = NotificationEvent::NotificationDeferred(later.clone());
    let withhold = NotificationCommand::Withhold(Withheld::Until(later));
    given::<Notification>([requested()]).when(withhold.clone()).then([deferred.clone()]);
    given::<Notification>([requested(), deferred.clone()]).when(withhold.clone()).then_nothing();
    given::<Notification>([requested(), deferred]).when(take(30)).then([sending(1, 90)]);
    given::<Notification>([requested(), sending(1, 70)]).when(withhold).then_nothing();
    let event = NotificationSuppressed { cause: "muted".to_owned() };
    given::<Notification>([requested()])
        .when(NotificationCommand::Withhold(Withheld::Suppressed("muted")))
        .then([NotificationEvent::NotificationSuppressed(event)]);
}

fn unknown() -> Vec<NotificationEvent> {
    vec![requested(), sending(1, 70), NotificationEvent::NotificationUnknown {}]
}

fn looked_up(again: bool) -> NotificationEvent {
    NotificationEvent::NotificationLookedUp(NotificationLookedUp { again })
}

fn found_nothing(look_ups: u32, resend: bool) -> NotificationCommand {
    NotificationCommand::FoundNothing { look_ups, again: true, resend, now: at(500) }
}

#[test]
fn an_unknown_one_is_looked_for_less_and_less_often_and_sent_again_only_where_its_text_allows_it() {
    let redriven = NotificationEvent::NotificationRedriven(NotificationRedriven { expires_at: at(1_000) });
    let mut history = unknown();
    let mut pauses = Vec::new();
    while let Some(look_at) = fold::<Notification>(history.clone()).and_then(|it| it.look_again_at()) {
        pauses.push(look_at);
        let look_ups = u32::try_from(pauses.len() - 1).unwrap();
        let last = fold::<Notification>(history.clone()).is_some_and(|it| it.is_last_look_up());
        let expected = if last { vec![looked_up(true), redriven.clone()] } else { vec![looked_up(true)] };
        given::<Notification>(history.clone()).when(found_nothing(look_ups, true)).then(expected);
        given::<Notification>(history.clone()).when(found_nothing(look_ups, false)).then([looked_up(true)]);
        given::<Notification>(history.clone()).when(found_nothing(look_ups + 1, true)).then_nothing();
        history.push(looked_up(true));
    }
    assert_eq!(pauses.len(), 4);
    let looks = u32::try_from(pauses.len()).unwrap();
    given::<Notification>(history.clone()).when(found_nothing(looks, true)).then_nothing();
    // Sent once more, and unknown again: no third time by itself.
    history.extend([redriven, sending(2, 90), NotificationEvent::NotificationUnknown {}]);
    history.extend((0..3).map(|_| looked_up(true)));
    given::<Notification>(history).when(found_nothing(3, true)).then([looked_up(true)]);
}

#[test]
fn an_operator_redrives_what_stands_still_and_nothing_that_may_arrive() {
    let redrive = NotificationCommand::Redrive { expires_at: at(2_000) };
    let redriven = NotificationEvent::NotificationRedriven(NotificationRedriven { expires_at: at(2_000) });
    let died = NotificationEvent::NotificationDied(NotificationDied::default());
    given::<Notification>(unknown()).when(redrive.clone()).then([redriven.clone()]);
    given::<Notification>([requested(), died]).when(redrive.clone()).then([redriven.clone()]);
    given::<Notification>([requested()]).when(redrive.clone()).then_nothing();
    let refused = NotificationRefusal::NotRedrivable;
    given::<Notification>([requested(), sending(1, 70)]).when(redrive.clone()).then_refused(&refused);
    let code = NotificationRequested { lane: Lane::Code, ..wish() };
    let code = [NotificationEvent::NotificationRequested(code), NotificationEvent::NotificationExpired {}];
    given::<Notification>(code).when(redrive).then_refused(&refused);

    let again = [unknown(), vec![redriven]].concat();
    given::<Notification>(again.clone()).when(take(1_500)).then([sending(2, 1_560)]);
    // The first try arrived after all: the second is not made.
    let arrived = NotificationAccepted { provider_id: "id".to_owned() };
    let arrived = [NotificationEvent::NotificationAccepted(arrived), NotificationEvent::NotificationDelivered {}];
    given::<Notification>(again.clone()).when(received(1, Receipt::Delivered)).then(arrived);
}

#[test]
fn a_late_receipt_of_a_try_that_is_over_does_not_take_the_place_of_the_next_one() {
    let accepted = NotificationEvent::NotificationAccepted(NotificationAccepted { provider_id: "id".to_owned() });
    let failed = NotificationEvent::NotificationFailed(NotificationFailed { error_code: "40008".to_owned() });
    let redriven = NotificationEvent::NotificationRedriven(NotificationRedriven { expires_at: at(2_000) });
    let event = NotificationDeferred { error_code: "40333".to_owned(), not_before: at(1_500) };
    let of_failed = vec![requested(), sending(1, 70), accepted, NotificationEvent::NotificationSent {}, failed];
    let old_news = [Receipt::Sent, Receipt::Unconfirmed, Receipt::Failed("40008".to_owned())];
    for ended in [unknown(), of_failed] {
        let waits = [ended, vec![redriven.clone()]].concat();
        let waits_longer = [waits.clone(), vec![NotificationEvent::NotificationDeferred(event.clone())]].concat();
        let tries = [waits.clone(), vec![sending(2, 1_560)]].concat();
        for history in [waits, waits_longer, tries] {
            for receipt in old_news.clone() {
                given::<Notification>(history.clone()).when(received(1, receipt)).then_nothing();
            }
        }
    }
}

#[test]
fn what_the_carrier_never_confirms_is_sent_and_asked_for_no_more() {
    let accepted = NotificationEvent::NotificationAccepted(NotificationAccepted { provider_id: "id".to_owned() });
    let history = [requested(), sending(1, 70), accepted];
    let after = [NotificationEvent::NotificationSent {}, looked_up(false)];
    given::<Notification>(history.clone()).when(received(1, Receipt::Unconfirmed)).then(after.clone());
    let told = [history.to_vec(), after.to_vec()].concat();
    assert_eq!(fold::<Notification>(told.clone()).unwrap().look_again_at(), None);
    given::<Notification>(told.clone()).when(received(1, Receipt::Unconfirmed)).then_nothing();
    given::<Notification>(told)
        .when(received(1, Receipt::Delivered))
        .then([NotificationEvent::NotificationDelivered {}]);
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
        Just(Outcome::Malformed("10015".to_owned())),
        Just(Outcome::Unknown),
        Just(Outcome::Suppressed("erased")),
        (0_i64..2_000)
            .prop_map(|s| Outcome::Deferred(NotificationDeferred { error_code: "x".to_owned(), not_before: at(s) })),
    ];
    let receipt = prop_oneof![
        Just(Receipt::Sent),
        Just(Receipt::Delivered),
        Just(Receipt::Unconfirmed),
        Just(Receipt::Failed("1".to_owned()))
    ];
    prop_oneof![
        Just(NotificationCommand::Request(wish())),
        (0_i64..2_000).prop_map(take),
        (0_i64..2_000).prop_map(settle),
        (0_u32..4, outcome).prop_map(|(attempt, outcome)| NotificationCommand::Conclude { attempt, outcome }),
        (0_u32..4, receipt).prop_map(|(attempt, receipt)| received(attempt, receipt)),
        (0_u32..5, any::<bool>()).prop_map(|(look_ups, resend)| found_nothing(look_ups, resend)),
        Just(NotificationCommand::Redrive { expires_at: at(2_000) }),
        Just(NotificationCommand::Discard),
        Just(NotificationCommand::Withhold(Withheld::Suppressed("muted"))),
        Just(NotificationCommand::GiveUp("too-often")),
    ]
}

proptest! {
    #[test]
    fn it_ends_once_and_every_try_is_taken_first(commands in prop::collection::vec(any_command(), 0..60)) {
        let mut history = Vec::new();
        for command in commands {
            let before = fold::<Notification>(history.clone());
            let Ok(events) = Notification::decide(&before, command.clone()) else { continue };
            let redriven = matches!(command, NotificationCommand::Redrive { .. });
            let told = match &command {
                NotificationCommand::Receive { receipt, .. } => *receipt != Receipt::Delivered,
                _ => false,
            };
            let waits = before.as_ref().is_some_and(|it| it.status == Delivery::Pending);
            prop_assert!(!told || !waits || events.is_empty(), "what waits is moved by an old try: {:?}", events);
            prop_assert!(events.is_empty() || redriven || !before.as_ref().is_some_and(|it| it.status.is_final()));
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
