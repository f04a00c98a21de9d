//! One try at a message that was taken: the request, the record of what came of it, and what that means for other messages.

use std::{error::Error, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, Utc};
use events::{
    notification::{NotificationCommand, NotificationDeferred, NotificationSending, NotificationState, Outcome},
    number::{NumberCommand, NumberRefusal, Source, Wish},
    values::Phone,
};
use platform::telemetry::{
    metrics::{SEND_ALARMS, SENDS},
    trip::{SpanKind, Start},
};

use super::{
    judge::Ready,
    telnyx::{Consequence, Outgoing, SEND_TIMEOUT},
    work::{Done, WorkError, Worker, metadata},
};

/// The first and the longest pause before an outcome that could not be recorded is recorded again.
const RECORD_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The code of what was taken, and not sent because so much time passed before its moment that the request would have outlived
/// the hold.
const TOO_SLOW: &str = "too-slow";

impl Worker {
    /// Makes a try that was taken.
    pub(super) async fn attempt(
        &self,
        it: &NotificationState,
        ready: Ready,
        sending: NotificationSending,
    ) -> Result<Done, WorkError> {
        let NotificationSending { attempt, until, .. } = sending;
        let now = self.context.clock.now();
        if !ends_within(now, until) {
            SENDS.add(1, ["deferred".into()]);
            let deferred = NotificationDeferred { error_code: TOO_SLOW.to_owned(), not_before: now };
            return self.conclude(it, attempt, Outcome::Deferred(deferred), until).await;
        }
        let Ready { to, text, .. } = ready;
        let webhook_url = self.webhook_url(it.id, attempt);
        let message = Outgoing { id: it.id, attempt, to: to.clone(), text, webhook_url };
        let hop = Start::new(SpanKind::Client, "telnyx.send").with("http.route", "/v2/messages").begin();
        let sent = hop.clone().carry(self.telnyx.send(message, || self.context.clock.now())).await;
        let outcome = sent.outcome.clone();
        hop.note("fieldfuze.outcome", outcome.name());
        drop(hop);
        SENDS.add(1, [outcome.name().into()]);
        tracing::info!(notification = %it.id, attempt, outcome = outcome.name(), "a notification was tried");
        // Neither waits for the other: what an answer means for others is not held up by a log that is away.
        let drawing = async {
            if let Some(consequence) = &sent.consequence
                && let Err(error) = self.draw(it, &to, consequence).await
            {
                tracing::warn!(notification = %it.id, error = &*error as &dyn Error, "what an answer means for others was not kept");
            }
        };
        let (concluded, ()) = tokio::join!(self.conclude(it, attempt, outcome, until), drawing);
        concluded
    }

    /// Records what came of a try. What is known is not lost because the log is away for a moment: it is tried for as long as
    /// the hold lasts. What somebody else has settled meanwhile stands, for the attempt is the fence.
    async fn conclude(
        &self,
        it: &NotificationState,
        attempt: u32,
        outcome: Outcome,
        until: DateTime<Utc>,
    ) -> Result<Done, WorkError> {
        let (first, longest) = RECORD_AGAIN;
        let pauses = ExponentialBuilder::default().with_min_delay(first).with_max_delay(longest).with_jitter();
        (|| self.settle(it, NotificationCommand::Conclude { attempt, outcome: outcome.clone() }))
            .retry(pauses.without_max_times())
            .when(|_| self.context.clock.now() < until)
            .notify(|error, _| tracing::warn!(notification = %it.id, attempt, error = error as &dyn Error, "an outcome could not be recorded; it is recorded again"))
            .await
    }

    async fn draw(
        &self,
        it: &NotificationState,
        to: &Phone,
        consequence: &Consequence,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        match consequence {
            Consequence::Works => self.pacer.worked().await?,
            Consequence::NoAnswer => self.pacer.unanswered().await?,
            Consequence::HoldBack(until) => self.pacer.hold_back(*until).await?,
            Consequence::Stop(scope, stopped) => self.pacer.stop(*scope, stopped).await?,
            Consequence::OptedOut => {
                self.pacer.worked().await?;
                let wish = Wish { source: Source::Provider, said_at: self.context.clock.now() };
                let command = NumberCommand::OptOut(wish);
                self.context.numbers.record::<NumberRefusal>(to, command, metadata(it)).await?;
            }
            Consequence::Alarm(code) => {
                SEND_ALARMS.add(1, ["message-refused".into()]);
                tracing::error!(alarm = "message-refused", notification = %it.id, template = it.template, code, "the provider refuses a message for a reason that somebody has to mend");
            }
        }
        Ok(())
    }
}

/// Whether a request that begins now ends within the hold. One that outlives it could meet another try.
fn ends_within(now: DateTime<Utc>, until: DateTime<Utc>) -> bool {
    (until - now).to_std().is_ok_and(|left| left > SEND_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{super::work::HOLD, *};

    #[test]
    fn a_request_begins_only_when_it_ends_within_the_hold() {
        let taken = DateTime::UNIX_EPOCH;
        let (until, longest) = (taken + HOLD, TimeDelta::from_std(SEND_TIMEOUT).unwrap());
        assert!(ends_within(taken, until));
        assert!(
            !ends_within(until - longest, until) && !ends_within(until, until) && !ends_within(until + HOLD, until)
        );
    }
}
