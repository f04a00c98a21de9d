//! The lanes' queues. A message is a notification's id and the trip that it goes on with, and nothing else.

mod batches;
mod progress;

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::Context;
use aws_sdk_sqs::{
    Client,
    operation::receive_message::builders::ReceiveMessageFluentBuilder,
    types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName},
};
use chrono::{DateTime, Utc};
use events::{ids::NotificationId, notification::Lane};
use platform::{
    aws::long_poll,
    store::{StoreError, unavailable},
    tables::{Names, QUEUES},
    telemetry::trip::TRACEPARENT,
};

use self::progress::{InHand, Progress};

/// How long a receive waits for a message: the longest that SQS allows, so that an idle lane costs least.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Seconds until a message shows that was given back: a queue needs a moment to notice that nobody listens any more to the
/// receives that the same process has cut off, and whatever it hands to one of them is hidden for a minute.
const GIVEN_BACK_FOR: i32 = 2;

/// Messages of one call: the most that SQS gives or takes.
pub(super) const BATCH: u16 = 10;

/// How long a receive of dead letters waits. One that does not wait asks only some of SQS's servers, and can find none where
/// there are some.
const DEAD_LETTER_POLL: Duration = Duration::from_secs(2);

/// The queues of one stage.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    lanes: Arc<HashMap<Lane, OfLane>>,
}

#[derive(Debug)]
struct OfLane {
    url: String,
    dead_letters: String,
    progress: Arc<Progress>,
}

/// A message that was received and is invisible to others for a while.
#[derive(Debug)]
pub struct Received {
    /// The notification; `None` when the body is no id.
    pub id: Option<NotificationId>,
    /// How often it was received, this time included.
    pub times: u32,
    /// The trip that put it there.
    pub traceparent: Option<String>,
    /// When it was put there.
    pub sent_at: Option<DateTime<Utc>>,
    receipt: String,
    /// It says by being there that the message is in hand; a dead letter has none.
    in_hand: Option<InHand>,
}

impl Queues {
    /// Looks the queues' addresses up.
    ///
    /// # Errors
    /// When one of them does not exist or SQS does not answer.
    pub async fn find(client: Client, names: &Names) -> anyhow::Result<Self> {
        let find = async |name: &str| {
            let found = client.get_queue_url().queue_name(names.queue(name)).send().await.map_err(unavailable)?;
            found.queue_url.with_context(|| format!("queue {name} has no address"))
        };
        let mut lanes = HashMap::new();
        for queue in &QUEUES {
            let (url, dead_letters) = (find(queue.name).await?, find(queue.dead_letters).await?);
            lanes.insert(queue.lane, OfLane { url, dead_letters, progress: Arc::default() });
        }
        Ok(Self { client, lanes: Arc::new(lanes) })
    }

    /// Puts a notification on its lane, with the trip that it goes on with.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn send(&self, lane: Lane, id: NotificationId, trip: Option<&str>) -> Result<(), StoreError> {
        let message = self.client.send_message().set_queue_url(self.url(lane)).message_body(id.to_string());
        message.set_message_attributes(attributes(trip)).send().await.map(drop).map_err(unavailable)
    }

    /// The same for one that this process received and leaves to others: it shows two seconds later.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn give_back(&self, lane: Lane, id: NotificationId, trip: Option<&str>) -> Result<(), StoreError> {
        let message = self.client.send_message().set_queue_url(self.url(lane)).message_body(id.to_string());
        let message = message.delay_seconds(GIVEN_BACK_FOR).set_message_attributes(attributes(trip));
        message.send().await.map(drop).map_err(unavailable)
    }

    /// Waits for messages of a lane, up to 20 s: at most so many, and never more than 10.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn receive(&self, lane: Lane, most: u16) -> Result<Vec<Received>, StoreError> {
        let mut messages = messages_of(self.receive_of(self.url(lane), LONG_POLL, most)).await?;
        if let Some(of_lane) = self.lanes.get(&lane) {
            for message in &mut messages {
                let received = |sent_at| of_lane.progress.received(sent_at, message.times == 1);
                message.in_hand = message.sent_at.map(received);
            }
        }
        Ok(messages)
    }

    /// How far a lane has come in this process: what was put there well before that moment has been received and worked on, or
    /// is lost. `None` before the first message.
    pub fn has_come_to(&self, lane: Lane) -> Option<DateTime<Utc>> {
        self.lanes.get(&lane)?.progress.has_come_to()
    }

    /// Some dead letters of a lane, which nobody else sees for so many seconds; for 2 s it waits for one. None mean that
    /// there are hardly any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn dead_letters(&self, lane: Lane, seconds: u32) -> Result<Vec<Received>, StoreError> {
        let hidden = i32::try_from(seconds).unwrap_or(i32::MAX);
        let receive = self.receive_of(self.dead_url(lane), DEAD_LETTER_POLL, BATCH).visibility_timeout(hidden);
        messages_of(receive).await
    }

    fn receive_of(&self, url: Option<String>, wait: Duration, most: u16) -> ReceiveMessageFluentBuilder {
        let receive = self.client.receive_message().set_queue_url(url).max_number_of_messages(most.min(BATCH).into());
        receive
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or_default())
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names(TRACEPARENT)
    }

    /// Takes a message off the dead letters of its lane for good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_dead(&self, lane: Lane, message: &Received) -> Result<(), StoreError> {
        let delete = self.client.delete_message().set_queue_url(self.dead_url(lane));
        delete.receipt_handle(&message.receipt).send().await.map(drop).map_err(unavailable)
    }

    /// Lets others see a message in so many seconds, and not before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn show_again_in(&self, lane: Lane, message: &Received, seconds: u32) -> Result<(), StoreError> {
        self.showing(self.url(lane), message, seconds).await
    }

    /// Lets others see a dead letter again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn show_dead_again(&self, lane: Lane, message: &Received) -> Result<(), StoreError> {
        self.showing(self.dead_url(lane), message, 0).await
    }

    async fn showing(&self, url: Option<String>, message: &Received, seconds: u32) -> Result<(), StoreError> {
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let change = self.client.change_message_visibility().set_queue_url(url);
        let change = change.receipt_handle(&message.receipt).visibility_timeout(seconds);
        change.send().await.map(drop).map_err(unavailable)
    }

    /// Puts a notification to the dead letters of its lane.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn bury(&self, lane: Lane, id: NotificationId) -> Result<(), StoreError> {
        let send = self.client.send_message().set_queue_url(self.dead_url(lane)).message_body(id.to_string());
        send.send().await.map(drop).map_err(unavailable)
    }

    /// About how many messages of a lane wait or are worked on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn backlog(&self, lane: Lane) -> Result<u64, StoreError> {
        self.counted(self.url(lane)).await
    }

    /// About how many dead letters a lane has.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn dead_backlog(&self, lane: Lane) -> Result<u64, StoreError> {
        self.counted(self.dead_url(lane)).await
    }

    async fn counted(&self, url: Option<String>) -> Result<u64, StoreError> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let get = self.client.get_queue_attributes().set_queue_url(url);
        let answer = get.set_attribute_names(Some(counts.to_vec())).send().await.map_err(unavailable)?;
        let all = answer.attributes.unwrap_or_default();
        Ok(counts.iter().filter_map(|name| all.get(name)?.parse::<u64>().ok()).sum())
    }

    fn url(&self, lane: Lane) -> Option<String> {
        self.lanes.get(&lane).map(|of_lane| of_lane.url.clone())
    }

    fn dead_url(&self, lane: Lane) -> Option<String> {
        self.lanes.get(&lane).map(|of_lane| of_lane.dead_letters.clone())
    }
}

/// What a message carries beside its body: the trip that it goes on with.
fn attributes(trip: Option<&str>) -> Option<HashMap<String, MessageAttributeValue>> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(trip?).build().ok()?;
    Some(HashMap::from([(TRACEPARENT.to_owned(), attribute)]))
}

async fn messages_of(receive: ReceiveMessageFluentBuilder) -> Result<Vec<Received>, StoreError> {
    let answer = receive.customize().config_override(long_poll()).send().await.map_err(unavailable)?;
    Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
}

fn received(message: Message) -> Option<Received> {
    let about = |name| message.attributes.as_ref().and_then(|all| all.get(&name));
    let times = about(MessageSystemAttributeName::ApproximateReceiveCount).and_then(|times| times.parse().ok());
    let sent_at = about(MessageSystemAttributeName::SentTimestamp).and_then(|milliseconds| milliseconds.parse().ok());
    let attribute = message.message_attributes.as_ref().and_then(|all| all.get(TRACEPARENT));
    Some(Received {
        id: message.body.as_deref().and_then(|body| body.parse().ok()),
        times: times.unwrap_or(1),
        traceparent: attribute.and_then(|attribute| attribute.string_value.clone()),
        sent_at: sent_at.and_then(DateTime::from_timestamp_millis),
        receipt: message.receipt_handle?,
        in_hand: None,
    })
}
