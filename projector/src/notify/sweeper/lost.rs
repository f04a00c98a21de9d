//! Whether a notification's message is lost, as far as that can be told from outside the queue.

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    notification::{Delivery, NotificationState},
    stream::Version,
};

/// For how long a notification that was queued again is left to its queue.
const LEFT_TO_THE_QUEUE: TimeDelta = TimeDelta::minutes(2);

/// A message is lost when its lane has come so far behind it. SQS keeps the order of a standard queue nearly, processes that
/// share a lane come forward together, and clocks differ by less.
const OVERTAKEN_BY: TimeDelta = TimeDelta::seconds(90);

/// So long before its end a notification that never moved is queued once more, however much its lane has to do: what is lost
/// shall end as `expired`, too, and not wait for ever.
const BEFORE_ITS_END: TimeDelta = TimeDelta::minutes(1);

/// What is known of a lane.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LaneNow {
    /// Whether it has no message, as far as SQS knows at the moment.
    pub(super) is_empty: bool,
    /// See `Queues::has_come_to`.
    pub(super) has_come_to: Option<DateTime<Utc>>,
}

/// A notification that was queued again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    /// Its last commit then.
    pub(super) version: Version,
    /// When that was.
    pub(super) at: DateTime<Utc>,
}

/// Whether a notification that is due needs a message. `swept`: it has not moved since it was queued again.
pub(super) fn is_to_be_queued(
    it: &NotificationState,
    swept: Option<&Queued>,
    lane: &LaneNow,
    now: DateTime<Utc>,
) -> bool {
    let overtaken = |queued_at| lane.has_come_to.is_some_and(|newest| newest - queued_at > OVERTAKEN_BY);
    match swept {
        Some(swept) => overtaken(swept.at) || lane.is_empty && now - swept.at >= LEFT_TO_THE_QUEUE,
        // One that never moved was queued when it was requested, and waits there, however long that is.
        None if it.status == Delivery::Pending && it.due.is_none() => {
            lane.is_empty || overtaken(it.updated_at) || it.expires_at - now <= BEFORE_ITS_END
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use events::{
        harness::fold,
        ids::{EventId, UserId, derive},
        notification::{Lane, Notification, NotificationEvent, NotificationRequested},
    };

    use super::*;

    const BUSY: LaneNow = LaneNow { is_empty: false, has_come_to: None };
    const EMPTY: LaneNow = LaneNow { is_empty: true, has_come_to: None };

    /// Requested when the harness's history begins, and worth sending for an hour.
    fn requested() -> NotificationState {
        let request = NotificationRequested {
            user_id: UserId(derive(&["ada"])),
            event_id: EventId(derive(&["event"])),
            template: "welcome".to_owned(),
            lane: Lane::Bulk,
            expires_at: DateTime::UNIX_EPOCH,
        };
        let mut it = fold::<Notification>([NotificationEvent::NotificationRequested(request)]).unwrap();
        it.expires_at = it.updated_at + TimeDelta::hours(1);
        it
    }

    fn has_come_to(at: DateTime<Utc>) -> LaneNow {
        LaneNow { has_come_to: Some(at), ..BUSY }
    }

    #[test]
    fn what_waits_in_a_busy_lane_is_lost_once_it_is_overtaken() {
        let it = requested();
        let now = it.updated_at + TimeDelta::minutes(30);
        let second = TimeDelta::seconds(1);
        assert!(!is_to_be_queued(&it, None, &BUSY, now));
        assert!(is_to_be_queued(&it, None, &EMPTY, now));
        assert!(!is_to_be_queued(&it, None, &has_come_to(it.updated_at + OVERTAKEN_BY), now));
        assert!(is_to_be_queued(&it, None, &has_come_to(it.updated_at + OVERTAKEN_BY + second), now));
    }

    #[test]
    fn what_was_queued_again_waits_for_that_message() {
        let it = requested();
        let at = it.updated_at + TimeDelta::minutes(30);
        let swept = Queued { version: it.version, at };
        let soon = at + TimeDelta::seconds(1);
        let later = at + LEFT_TO_THE_QUEUE;
        for lane in [BUSY, EMPTY, has_come_to(at)] {
            assert!(!is_to_be_queued(&it, Some(&swept), &lane, soon), "{lane:?}");
        }
        assert!(is_to_be_queued(&it, Some(&swept), &EMPTY, later));
        assert!(!is_to_be_queued(&it, Some(&swept), &BUSY, later));
        assert!(is_to_be_queued(&it, Some(&swept), &has_come_to(later), later));
    }

    #[test]
    fn nothing_misses_its_end_in_a_busy_lane() {
        let it = requested();
        let end = it.expires_at - BEFORE_ITS_END;
        assert!(!is_to_be_queued(&it, None, &BUSY, end - TimeDelta::seconds(1)));
        assert!(is_to_be_queued(&it, None, &BUSY, end));
    }

    #[test]
    fn what_is_due_again_is_queued_however_busy_its_lane_is() {
        let deferred = NotificationState { due: Some(DateTime::UNIX_EPOCH), ..requested() };
        let accepted = NotificationState { status: Delivery::Accepted, ..requested() };
        for it in [deferred, accepted] {
            assert!(is_to_be_queued(&it, None, &BUSY, it.updated_at));
        }
    }
}
