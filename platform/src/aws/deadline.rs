use std::error::Error;

use aws_sdk_dynamodb::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::{BoxError, ConnectorError},
};
use chrono::{DateTime, Utc};

use crate::clock::Clock;

/// An interceptor of one call: none of its tries is sent after a moment. The outcome is then that of the tries before, and
/// so unknown.
#[derive(Debug, Clone)]
pub(crate) struct SentBefore {
    /// Tells the time.
    pub(crate) clock: Clock,
    /// The moment.
    pub(crate) until: DateTime<Utc>,
}

/// Why a try was not sent.
#[derive(Debug, thiserror::Error)]
#[error("it is too late to send this")]
struct TooLate;

impl Intercept for SentBefore {
    fn name(&self) -> &'static str {
        "deadline"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.clock.now() > self.until { Err(TooLate.into()) } else { Ok(()) }
    }
}

/// Whether a call failed because no more of its tries was sent.
pub(super) fn is_too_late(failure: &ConnectorError) -> bool {
    let mut cause = failure.source();
    while let Some(error) = cause {
        if error.is::<TooLate>() {
            return true;
        }
        cause = error.source();
    }
    false
}
