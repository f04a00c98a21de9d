//! Many messages with one call.

use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use events::{ids::NotificationId, notification::Lane};
use platform::store::{StoreError, unavailable};

use super::{BATCH, Queues, Received, attributes};

impl Queues {
    /// Puts notifications on their lane, each with the trip that it goes on with, and says which of them were taken.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; then some of them can be there.
    pub async fn send_all(
        &self,
        lane: Lane,
        messages: &[(NotificationId, Option<&str>)],
    ) -> Result<Vec<NotificationId>, StoreError> {
        let mut taken = Vec::with_capacity(messages.len());
        for some in messages.chunks(BATCH.into()) {
            let entries = some.iter().enumerate().filter_map(|(place, (id, trip))| {
                let entry = SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(id.to_string());
                entry.set_message_attributes(attributes(*trip)).build().ok()
            });
            let send = self.client.send_message_batch().set_queue_url(self.url(lane));
            let answer = send.set_entries(Some(entries.collect())).send().await.map_err(unavailable)?;
            let places = answer.successful.iter().filter_map(|entry| entry.id.parse::<usize>().ok());
            taken.extend(places.filter_map(|place| some.get(place)).map(|(id, _)| *id));
            for refused in &answer.failed {
                let notification = at(refused).and_then(|place| some.get(place)).map(|(id, _)| id.to_string());
                tracing::error!(?lane, notification, code = refused.code, "the queue does not take a notification");
            }
        }
        Ok(taken)
    }

    /// Takes messages off their lane for good. One that stays comes again, and then there is nothing to do.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_all(&self, lane: Lane, messages: &[Received]) -> Result<(), StoreError> {
        for some in messages.chunks(BATCH.into()) {
            let entries = some.iter().enumerate().filter_map(|(place, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(&message.receipt).build().ok()
            });
            let delete = self.client.delete_message_batch().set_queue_url(self.url(lane));
            let answer = delete.set_entries(Some(entries.collect())).send().await.map_err(unavailable)?;
            for refused in &answer.failed {
                let notification = at(refused).and_then(|place| some.get(place)?.id).map(|id| id.to_string());
                tracing::warn!(?lane, notification, code = refused.code, "a message was not deleted and comes again");
            }
        }
        Ok(())
    }
}

/// Which message of a batch is spoken of.
fn at(refused: &BatchResultErrorEntry) -> Option<usize> {
    refused.id.parse().ok()
}
