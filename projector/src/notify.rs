//! From the queue to Telnyx: one message per notification, and never a guess.

pub mod dispatcher;
pub mod queue;
pub mod sweeper;
pub mod telnyx;
