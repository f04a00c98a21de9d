//! From the queue to Telnyx: one message per notification, and never a guess.

mod attempt;
mod dispatcher;
mod judge;
mod pacing;
mod queue;
mod reconcile;
mod sweeper;
mod telnyx;
mod work;

pub use dispatcher::Dispatcher;
pub use judge::Judge;
pub use pacing::{Limits, Pacer};
pub use queue::{Queues, Received};
pub use sweeper::Sweeper;
pub use telnyx::Telnyx;
pub use work::Worker;
