//! Lets accepted messages go their way and tells about it: signed webhooks, tried three times per address.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use platform::telnyx::{
    signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
    wire::{DeliveryStatus, Message, Webhook, WebhookData, WebhookMeta},
};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    State,
    faults::WebhookFaults,
    store::{Addresses, Step, Timer},
};

/// From acceptance until the carrier has a message. Short: nobody wants to wait at a desk.
const SENT_AFTER: TimeDelta = TimeDelta::milliseconds(50);

/// From acceptance until the handset has it.
const FINALIZED_AFTER: TimeDelta = TimeDelta::milliseconds(100);

/// How long a receiver of webhooks may take, by Telnyx's documentation.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Tries per address, by Telnyx's documentation.
const TRIES: u32 = 3;

/// Waits after the first and after every further failed try. Telnyx does not state its own; these outlast a service
/// that is started again.
const BACKOFF: [TimeDelta; 2] = [TimeDelta::milliseconds(500), TimeDelta::seconds(5)];

/// Webhooks under way at a time.
const MAX_UNDER_WAY: usize = 16;

/// The longest wait between two looks at the clock, which may be one that a test moves by hand.
const TICK: Duration = Duration::from_millis(50);

/// The wait after the ledger's file failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// When a step happens to a message and when it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) occurs_at: DateTime<Utc>,
    pub(super) due: DateTime<Utc>,
}

/// When a message accepted at `now` is sent and delivered.
pub(super) fn plan(now: DateTime<Utc>, faults: WebhookFaults) -> [Plan; 2] {
    let delay = TimeDelta::milliseconds(i64::from(faults.delay_ms));
    let [mut sent, mut finalized] =
        [SENT_AFTER, FINALIZED_AFTER].map(|after| Plan { occurs_at: now + after, due: now + after + delay });
    if faults.shuffle {
        std::mem::swap(&mut sent.due, &mut finalized.due);
    }
    [sent, finalized]
}

/// Sends webhooks until it is stopped.
pub(super) struct Delivery {
    state: Arc<State>,
    client: reqwest::Client,
}

impl Delivery {
    pub(super) fn new(state: Arc<State>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("the stand-in's client")?;
        Ok(Self { state, client })
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let mut tries = JoinSet::new();
        let mut under_way: HashMap<Id, i64> = HashMap::new();
        loop {
            let pause = self.start_due(&mut tries, &mut under_way).await;
            let rest = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = tries.join_next_with_id(), if !tries.is_empty() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    under_way.remove(&id);
                }
                () = self.state.owed.notified() => (),
                () = rest => (),
            }
        }
    }

    /// Starts what is due, as far as there is room. Gives how long to wait for the next one, if there is any.
    async fn start_due(&self, tries: &mut JoinSet<()>, under_way: &mut HashMap<Id, i64>) -> Option<Duration> {
        let room = MAX_UNDER_WAY - under_way.len();
        if room == 0 {
            return None;
        }
        // Those under way are still in the file: one more than them and the room shows what comes next.
        let timers = match self.state.store.timers(MAX_UNDER_WAY + 1).await {
            Ok(timers) => timers,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the ledger cannot be read");
                return Some(STORE_PAUSE);
            }
        };
        let busy: HashSet<i64> = under_way.values().copied().collect();
        let now = self.state.clock.now();
        let mut waiting = timers.into_iter().filter(|timer| !busy.contains(&timer.id)).peekable();
        for timer in std::iter::from_fn(|| waiting.next_if(|timer| timer.due <= now)).take(room) {
            let id = timer.id;
            let one = Try { state: Arc::clone(&self.state), client: self.client.clone() };
            under_way.insert(tries.spawn(one.run(timer)).id(), id);
        }
        let next = waiting.peek()?;
        Some((next.due - now).to_std().unwrap_or_default().min(TICK))
    }
}

/// One try of one webhook.
struct Try {
    state: Arc<State>,
    client: reqwest::Client,
}

impl Try {
    async fn run(self, timer: Timer) {
        if let Err(error) = self.make(&timer).await {
            tracing::error!(error = format!("{error:#}"), "a webhook's state cannot be kept");
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }

    async fn make(&self, timer: &Timer) -> anyhow::Result<()> {
        let store = &self.state.store;
        let (message, addresses) = store.happen(timer).await?;
        let Some(address) = address(&addresses, timer) else {
            return store.finish(timer.id).await;
        };
        let outcome = self.post(address, timer, message).await;
        let Err(error) = outcome else {
            return store.finish(timer.id).await;
        };
        let (message, attempt) = (&timer.message, timer.attempt);
        if attempt >= last_attempt(&addresses) {
            tracing::warn!(message, attempt, %error, "a webhook is given up");
            return store.finish(timer.id).await;
        }
        tracing::debug!(message, attempt, %error, "a webhook failed and is tried again");
        let wait = BACKOFF[usize::from(attempt > 1)];
        store.postpone(timer.id, self.state.clock.now() + wait).await
    }

    async fn post(&self, address: &str, timer: &Timer, mut message: Message) -> anyhow::Result<()> {
        if timer.step == Step::Sent {
            // Told late, it still tells how things stood then.
            message.completed_at = None;
            for recipient in &mut message.to {
                recipient.status = Some(DeliveryStatus::Sent);
            }
        }
        let webhook = Webhook {
            data: WebhookData {
                record_type: "event".to_owned(),
                event_type: timer.step.event_type(),
                id: timer.event.clone(),
                occurred_at: timer.occurs_at,
                payload: serde_json::to_value(message)?,
            },
            meta: WebhookMeta { attempt: timer.attempt, delivered_to: address.to_owned() },
        };
        let body = serde_json::to_vec(&webhook)?;
        let (signature, timestamp) = self.state.signing_key.sign(&body, self.state.clock.now());
        let response = self
            .client
            .post(address)
            .header("content-type", "application/json")
            .header(SIGNATURE_HEADER, signature)
            .header(TIMESTAMP_HEADER, timestamp)
            .body(body)
            .send()
            .await
            .map_err(reqwest::Error::without_url)?;
        let status = response.status();
        anyhow::ensure!(status.is_success(), "answered with {status}");
        Ok(())
    }
}

/// The address of the try at hand: the second one from the fourth try on.
fn address<'a>(addresses: &'a Addresses, timer: &Timer) -> Option<&'a str> {
    let first = addresses.webhook.as_deref().filter(|_| !timer.silent)?;
    if timer.attempt <= TRIES {
        return Some(first);
    }
    addresses.failover.as_deref()
}

fn last_attempt(addresses: &Addresses) -> u32 {
    if addresses.failover.is_some() { 2 * TRIES } else { TRIES }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_tells_the_end_first_but_not_a_different_story() {
        let now = DateTime::UNIX_EPOCH;
        let [sent, finalized] = plan(now, WebhookFaults::default());
        assert!(sent.due < finalized.due);
        let shuffled = WebhookFaults { shuffle: true, delay_ms: 1000, ..WebhookFaults::default() };
        let [late, early] = plan(now, shuffled);
        assert!(early.due < late.due && late.occurs_at < early.occurs_at);
        assert_eq!(early.due, sent.due + TimeDelta::seconds(1));
    }
}
