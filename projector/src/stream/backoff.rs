//! How long to wait before something is tried again. Each wait is jittered, so that many do not come at once.

use std::time::Duration;

use backon::ExponentialBuilder;

const fn growing(from: Duration, to: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(from).with_max_delay(to).with_jitter()
}

/// Calls to the stream: from one polling interval up to a few seconds, for as long as the lease is held.
pub(super) const STREAM: ExponentialBuilder =
    growing(Duration::from_millis(200), Duration::from_secs(5)).without_max_times();

/// The handler: the same records, until they succeed. A table that throttles recovers within seconds.
pub(super) const HANDLER: ExponentialBuilder =
    growing(Duration::from_millis(100), Duration::from_secs(10)).without_max_times();

/// Writes of a lease: quickly, for the lease runs out.
pub(super) const LEASE: ExponentialBuilder =
    growing(Duration::from_millis(100), Duration::from_secs(1)).without_max_times();

/// A release at the end: a few tries; what fails runs out by itself.
pub(super) const RELEASE: ExponentialBuilder =
    growing(Duration::from_millis(50), Duration::from_millis(400)).with_max_times(4);

/// Children of a shard that has just ended: the stream may list none for a while.
pub(super) const CHILDREN: ExponentialBuilder =
    growing(Duration::from_millis(50), Duration::from_secs(1)).with_max_times(10);
