//! Lets accepted messages go their way and tells about it: signed webhooks, tried three times per address.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use platform::telnyx::{
    signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
    wire::{DeliveryStatus, Message, Webhook, WebhookData, WebhookMeta},
};
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet};
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

/// Webhooks under way at a time: with some 20 ms for each, twice as many as 1,500 messages a second cause, and half of what
/// a service of ours takes at a time.
const MAX_UNDER_WAY: usize = 64;

/// The longest wait between two looks at the clock, which may be one that a test moves by hand.
const TICK: Duration = Duration::from_millis(50);

/// The wait after the ledger's file failed.
const STORE_PAUSE: TimeDelta = TimeDelta::seconds(1);

/// When a step happens to a message and when it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) occurs_at: DateTime<Utc>,
    pub(super) due: DateTime<Utc>,
}

/// When a message is sent and delivered that was accepted at `now` and waits for `wait` in the queue; with
/// `before_answer` it is sent at once.
pub(super) fn plan(now: DateTime<Utc>, wait: TimeDelta, before_answer: bool, faults: WebhookFaults) -> [Plan; 2] {
    let delay = TimeDelta::milliseconds(i64::from(faults.delay_ms));
    let [mut sent, mut finalized] = [SENT_AFTER, FINALIZED_AFTER].map(|after| {
        let occurs_at = now + wait + after;
        Plan { occurs_at, due: occurs_at + delay }
    });
    if before_answer {
        sent = Plan { occurs_at: now, due: now };
    }
    if faults.shuffle {
        std::mem::swap(&mut sent.due, &mut finalized.due);
    }
    [sent, finalized]
}

/// The client that posts webhooks.
pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).no_proxy();
    client.build().context("the stand-in's client")
}

/// Sends webhooks until it is stopped.
pub(super) struct Delivery {
    state: Arc<State>,
    owing: UnboundedReceiver<Timer>,
    /// What is owed and not under way, by when it is due. The file has the same, for the next start.
    waiting: BTreeMap<(DateTime<Utc>, i64), Timer>,
}

impl Delivery {
    /// A delivery of what an earlier run still owes, and of what comes by `owing`.
    pub(super) async fn resume(state: Arc<State>, owing: UnboundedReceiver<Timer>) -> anyhow::Result<Self> {
        let timers = state.store.timers().await?;
        let waiting = timers.into_iter().map(|timer| ((timer.due, timer.id), timer)).collect();
        Ok(Self { state, owing, waiting })
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut tries: JoinSet<Option<Timer>> = JoinSet::new();
        loop {
            let pause = self.start_due(&mut tries);
            let rest = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = tries.join_next(), if !tries.is_empty() => match ended {
                    Ok(again) => self.add(again),
                    Err(error) => tracing::error!(%error, "a webhook is left to the next start"),
                },
                Some(timer) = self.owing.recv() => self.add([timer]),
                () = rest => (),
            }
        }
    }

    fn add(&mut self, timers: impl IntoIterator<Item = Timer>) {
        self.waiting.extend(timers.into_iter().map(|timer| ((timer.due, timer.id), timer)));
    }

    /// Starts what is due, as far as there is room. Gives how long to wait for the next one, if there is any.
    fn start_due(&mut self, tries: &mut JoinSet<Option<Timer>>) -> Option<Duration> {
        while tries.len() < MAX_UNDER_WAY {
            let next = self.waiting.first_entry()?;
            let wait = (next.get().due - self.state.clock.now()).to_std().unwrap_or_default();
            if !wait.is_zero() {
                return Some(wait.min(TICK));
            }
            let (state, timer) = (Arc::clone(&self.state), next.remove());
            tries.spawn(async move { deliver(&state, timer).await });
        }
        None
    }
}

/// Tries a webhook once, and gives it back if it has to be tried again.
pub(super) async fn deliver(state: &State, timer: Timer) -> Option<Timer> {
    match attempt(state, &timer).await {
        Ok(None) => None,
        Ok(Some(due)) => Some(Timer { due, attempt: timer.attempt + 1, ..timer }),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a webhook's state cannot be kept");
            Some(Timer { due: state.clock.now() + STORE_PAUSE, ..timer })
        }
    }
}

/// Gives when it is due again, unless it was acknowledged or is given up.
async fn attempt(state: &State, timer: &Timer) -> anyhow::Result<Option<DateTime<Utc>>> {
    let store = &state.store;
    let (message, addresses) = store.happen(timer).await?;
    let Some(address) = address(&addresses, timer) else {
        return store.finish(timer.id).await.map(|()| None);
    };
    let Err(error) = post(state, address, timer, message).await else {
        return store.finish(timer.id).await.map(|()| None);
    };
    let (message, attempt) = (&timer.message, timer.attempt);
    if attempt >= last_attempt(&addresses) {
        tracing::warn!(message, attempt, %error, "a webhook is given up");
        return store.finish(timer.id).await.map(|()| None);
    }
    tracing::debug!(message, attempt, %error, "a webhook failed and is tried again");
    let due = state.clock.now() + BACKOFF[usize::from(attempt > 1)];
    store.postpone(timer.id, due).await?;
    Ok(Some(due))
}

async fn post(state: &State, address: &str, timer: &Timer, mut message: Message) -> anyhow::Result<()> {
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
    let (signature, timestamp) = state.signing_key.sign(&body, state.clock.now());
    let response = state
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
        let [sent, finalized] = plan(now, TimeDelta::zero(), false, WebhookFaults::default());
        assert!(sent.due < finalized.due);
        let shuffled = WebhookFaults { shuffle: true, delay_ms: 1000, ..WebhookFaults::default() };
        let [late, early] = plan(now, TimeDelta::zero(), false, shuffled);
        assert!(early.due < late.due && late.occurs_at < early.occurs_at);
        assert_eq!(early.due, sent.due + TimeDelta::seconds(1));
    }
}
