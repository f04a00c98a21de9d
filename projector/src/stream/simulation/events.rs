//! What happened in a run: a simulation in which nothing does shows nothing.

use super::world::State;

/// Something that a run is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A shard closed, and one went on from it.
    RolledOver,
    /// A shard closed, and two went on from it.
    Split,
    /// Records went before they were delivered.
    TrimmedUnread,
    /// A shard went with all that it held.
    ShardGone,
    /// The table got another stream.
    AnotherStream,
    /// A process died between two calls.
    Killed,
    /// A process died in the middle of a call.
    DiedInCall,
    /// A process was asked to end.
    AskedToEnd,
    /// A process stood still for longer than its leases last.
    StoodStill,
    /// A part of the world did not answer.
    Outage,
    /// A part of the world took its time to answer.
    Hung,
    /// A wall clock jumped.
    ClockJumped,
    /// A call had no effect.
    Failed,
    /// A call had its effect, and its answer was lost.
    AnswerLost,
    /// A call was given up, and had its effect later.
    Late,
    /// A call to the stream was throttled.
    Throttled,
    /// An iterator had expired.
    Expired,
    /// A page in the middle of a shard was empty.
    EmptyPage,
    /// A record never reached the stream.
    RecordLost,
    /// A record reached the stream twice.
    RecordRepeated,
    /// A row was not as its writer had seen it.
    RowRefused,
    /// A reader found a gap and read the log.
    Healed,
    /// A lease was not as its writer had seen it.
    LeaseRefused,
    /// A lease was asked for.
    LeaseAskedFor,
    /// A lease was let go for who had asked for it.
    HandedOver,
    /// A lease had stood still and was taken.
    TakenFromTheDead,
    /// A lease was asked for in vain and was taken.
    TakenInVain,
    /// Everything was applied from the log.
    CaughtUp,
}

/// All of them.
pub(super) const EVENTS: [Event; 28] = [
    Event::RolledOver,
    Event::Split,
    Event::TrimmedUnread,
    Event::ShardGone,
    Event::AnotherStream,
    Event::Killed,
    Event::DiedInCall,
    Event::AskedToEnd,
    Event::StoodStill,
    Event::Outage,
    Event::Hung,
    Event::ClockJumped,
    Event::Failed,
    Event::AnswerLost,
    Event::Late,
    Event::Throttled,
    Event::Expired,
    Event::EmptyPage,
    Event::RecordLost,
    Event::RecordRepeated,
    Event::RowRefused,
    Event::Healed,
    Event::LeaseRefused,
    Event::LeaseAskedFor,
    Event::HandedOver,
    Event::TakenFromTheDead,
    Event::TakenInVain,
    Event::CaughtUp,
];

impl State {
    pub(super) fn count(&mut self, event: Event) {
        *self.events.entry(event).or_default() += 1;
    }
}
