//! The lanes' queues. A message is a notification's id and the trip that it goes on with, and nothing else.

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

/// How long a receive waits for a message: the longest that SQS allows, so that an idle lane costs least.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Messages per receive: the most that SQS gives.
const BATCH: i32 = 10;

/// The queues of one stage.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    urls: Arc<HashMap<Lane, Urls>>,
}

#[derive(Debug)]
struct Urls {
    lane: String,
    dead_letters: String,
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
        let mut urls = HashMap::new();
        for queue in &QUEUES {
            let (lane, dead_letters) = (find(queue.name).await?, find(queue.dead_letters).await?);
            urls.insert(queue.lane, Urls { lane, dead_letters });
        }
        Ok(Self { client, urls: Arc::new(urls) })
    }

    /// Puts a notification on its lane, with the trip that it goes on with.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn send(&self, lane: Lane, id: NotificationId, trip: Option<&str>) -> Result<(), StoreError> {
        let mut message = self.client.send_message().set_queue_url(self.url(lane)).message_body(id.to_string());
        let attribute = |trip| MessageAttributeValue::builder().data_type("String").string_value(trip).build().ok();
        if let Some(attribute) = trip.and_then(attribute) {
            message = message.message_attributes(TRACEPARENT, attribute);
        }
        message.send().await.map(drop).map_err(unavailable)
    }

    /// Waits for messages of a lane, up to 20 s.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn receive(&self, lane: Lane) -> Result<Vec<Received>, StoreError> {
        let wait = i32::try_from(LONG_POLL.as_secs()).unwrap_or_default();
        let receive = self.receiving(self.url(lane)).wait_time_seconds(wait).customize().config_override(long_poll());
        let answer = receive.send().await.map_err(unavailable)?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    /// Some dead letters of a lane, which nobody else sees for so many seconds; none when there are no more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn dead_letters(&self, lane: Lane, seconds: u32) -> Result<Vec<Received>, StoreError> {
        let receive =
            self.receiving(self.dead_url(lane)).visibility_timeout(i32::try_from(seconds).unwrap_or(i32::MAX));
        let answer = receive.send().await.map_err(unavailable)?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    fn receiving(&self, url: Option<String>) -> ReceiveMessageFluentBuilder {
        let receive = self.client.receive_message().set_queue_url(url).max_number_of_messages(BATCH);
        receive
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names(TRACEPARENT)
    }

    /// Takes a message off its lane for good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete(&self, lane: Lane, message: &Received) -> Result<(), StoreError> {
        self.deleting(self.url(lane), message).await
    }

    /// Takes a message off the dead letters of its lane for good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_dead(&self, lane: Lane, message: &Received) -> Result<(), StoreError> {
        self.deleting(self.dead_url(lane), message).await
    }

    async fn deleting(&self, url: Option<String>, message: &Received) -> Result<(), StoreError> {
        let delete = self.client.delete_message().set_queue_url(url).receipt_handle(&message.receipt);
        delete.send().await.map(drop).map_err(unavailable)
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

    /// Puts a message to the dead letters of its lane.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn bury(&self, lane: Lane, message: &Received) -> Result<(), StoreError> {
        if let Some(id) = message.id {
            let send = self.client.send_message().set_queue_url(self.dead_url(lane)).message_body(id.to_string());
            send.send().await.map_err(unavailable)?;
        }
        self.delete(lane, message).await
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
        ];
        let get = self.client.get_queue_attributes().set_queue_url(url);
        let answer = get.set_attribute_names(Some(counts.to_vec())).send().await.map_err(unavailable)?;
        let all = answer.attributes.unwrap_or_default();
        Ok(counts.iter().filter_map(|name| all.get(name)?.parse::<u64>().ok()).sum())
    }

    fn url(&self, lane: Lane) -> Option<String> {
        self.urls.get(&lane).map(|urls| urls.lane.clone())
    }

    fn dead_url(&self, lane: Lane) -> Option<String> {
        self.urls.get(&lane).map(|urls| urls.dead_letters.clone())
    }
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
    })
}
