//! How far a lane has come, as far as one process can tell.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

/// What a process has received of a lane.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// When the newest message was put there of those that were received for the first time.
    newest: Option<DateTime<Utc>>,
    /// When the messages were put there that are being worked on, and how many at each moment.
    in_hand: BTreeMap<DateTime<Utc>, usize>,
}

/// A message is being worked on until this is dropped.
#[derive(Debug)]
pub(super) struct InHand {
    progress: Arc<Progress>,
    sent_at: DateTime<Utc>,
}

impl Progress {
    /// A message was received, for the first time or again.
    pub(super) fn received(self: &Arc<Self>, sent_at: DateTime<Utc>, for_the_first_time: bool) -> InHand {
        let mut inner = self.lock();
        if for_the_first_time {
            inner.newest = inner.newest.max(Some(sent_at));
        }
        *inner.in_hand.entry(sent_at).or_default() += 1;
        InHand { progress: Arc::clone(self), sent_at }
    }

    /// What was put on the lane before that moment has been received, and is not in hand any more; `None` before the first.
    pub(super) fn has_come_to(&self) -> Option<DateTime<Utc>> {
        let inner = self.lock();
        let oldest = inner.in_hand.keys().next().copied();
        inner.newest.map(|newest| oldest.map_or(newest, |oldest| oldest.min(newest)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut inner = self.progress.lock();
        if let Some(count) = inner.in_hand.get_mut(&self.sent_at) {
            *count -= 1;
            if *count == 0 {
                inner.in_hand.remove(&self.sent_at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_lane_has_come_to_the_oldest_message_in_hand_or_to_the_newest_that_came() {
        let progress = Arc::new(Progress::default());
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        assert_eq!(progress.has_come_to(), None);
        let (first, same, second) =
            (progress.received(at(10), true), progress.received(at(10), true), progress.received(at(300), true));
        assert_eq!(progress.has_come_to(), Some(at(10)));
        drop(second);
        drop(first);
        assert_eq!(progress.has_come_to(), Some(at(10)));
        drop(same);
        assert_eq!(progress.has_come_to(), Some(at(300)));
        // One that comes again says nothing of what was put there after it.
        let again = progress.received(at(400), false);
        assert_eq!(progress.has_come_to(), Some(at(300)));
        drop(again);
        assert_eq!(progress.has_come_to(), Some(at(300)));
    }
}
