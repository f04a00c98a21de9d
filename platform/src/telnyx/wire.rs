//! The JSON of messages, errors, webhooks and lists. Reading ignores unknown fields; printing shows no number and no text.

mod lists;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use lists::{DetailRecord, DetailStatus, OptOut, Page, PageMeta};

/// Stands for personal data in debug output.
const REDACTED: &str = "<redacted>";

/// Body of `POST /v2/messages`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SendRequest {
    /// Who receives the message, in E.164 form. Telnyx requires it; empty when a caller left it out.
    pub to: String,
    /// Who sends it: E.164, a short code, or a name of 1 to 11 letters and digits. Left out, the profile's number pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The messaging profile; needed for a number pool or a sender's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_profile_id: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `SMS` or `MMS`; left out, Telnyx takes what the content asks for.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Where webhooks about this message go. It is repeated in each of them: the only handle for correlation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// Where they go after the first address failed three times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_failover_url: Option<String>,
    /// Whether the profile's own addresses are tried after the message's (Telnyx: true when left out).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_profile_webhooks: Option<bool>,
}

impl fmt::Debug for SendRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendRequest")
            .field("to", &REDACTED)
            .field("text", &REDACTED)
            .field("webhook_url", &self.webhook_url)
            .finish_non_exhaustive()
    }
}

/// Body of a 200 to `POST /v2/messages` and to `GET /v2/messages/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendResponse {
    /// The message.
    pub data: Message,
}

/// A message, as Telnyx answers it and as webhooks carry it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Telnyx's id of the message: a UUID in text form.
    pub id: String,
    /// `message`.
    #[serde(default)]
    pub record_type: String,
    /// `outbound` or `inbound`.
    #[serde(default)]
    pub direction: String,
    /// `SMS` or `MMS`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Party>,
    /// The recipients, each with the state of its copy; one for an SMS.
    #[serde(default)]
    pub to: Vec<Recipient>,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `GSM-7` or `UCS-2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Segments that are counted and paid, 1 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// Where webhooks about the message go, as the sender gave it.
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// What went wrong on the way.
    #[serde(default)]
    pub errors: Vec<ErrorItem>,
    /// `STOP`, `START` or `HELP` of an inbound message that Telnyx answers by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoresponse_type: Option<String>,
    /// When Telnyx accepted the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<DateTime<Utc>>,
    /// When it went to the carrier.
    #[serde(default)]
    pub sent_at: Option<DateTime<Utc>>,
    /// When its final state became known.
    #[serde(default)]
    pub completed_at: Option<DateTime<Utc>>,
}

impl Message {
    /// The state of the first recipient's copy.
    pub fn status(&self) -> Option<DeliveryStatus> {
        self.to.first().and_then(|recipient| recipient.status)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("direction", &self.direction)
            .field("status", &self.status())
            .field("text", &REDACTED)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}

/// The sender of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// E.164, a short code or a name.
    pub phone_number: String,
    /// The carrier's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// `Wireless`, `Wireline`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_type: Option<String>,
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Party(<redacted>)")
    }
}

/// One recipient of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// E.164.
    pub phone_number: String,
    /// How far this copy has come; absent only in what is not ours to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<DeliveryStatus>,
    /// The carrier's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// `Wireless`, `Wireline`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_type: Option<String>,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient")
            .field("phone_number", &REDACTED)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Accepted, to be sent at a stated time.
    Scheduled,
    /// Accepted, waiting for its turn.
    Queued,
    /// On its way to the carrier.
    Sending,
    /// The carrier has it.
    Sent,
    /// Not sent within its time. Final.
    Expired,
    /// The carrier refused it. Final.
    SendingFailed,
    /// The carrier says nothing about its end. Final.
    DeliveryUnconfirmed,
    /// The handset has it. Final.
    Delivered,
    /// The carrier could not deliver it. Final.
    DeliveryFailed,
    /// A scheduled message that was called back. Final.
    Cancelled,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Body of every answer of 400 and above.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// At least one error.
    pub errors: Vec<ErrorItem>,
}

/// One error.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorItem {
    /// Telnyx's code: text of five digits. What to do follows from it, never from the HTTP status alone.
    pub code: String,
    /// What the code means.
    pub title: String,
    /// What happened. It may repeat the number that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Which part of the request is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ErrorSource>,
}

impl fmt::Debug for ErrorItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorItem").field("code", &self.code).field("title", &self.title).finish_non_exhaustive()
    }
}

/// Which part of a request is at fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorSource {
    /// JSON pointer into the request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Name of a parameter of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

/// Body of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// What happened.
    pub data: WebhookData,
    /// About this delivery.
    #[serde(default)]
    pub meta: WebhookMeta,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookData {
    /// `event`.
    #[serde(default)]
    pub record_type: String,
    /// What kind of event.
    pub event_type: EventType,
    /// The event's id, the same for every try and every duplicate.
    pub id: String,
    /// When it happened. Webhooks come in any order.
    pub occurred_at: DateTime<Utc>,
    /// What it is about: a [`Message`] for the types that [`EventType`] names, else anything.
    #[serde(default)]
    pub payload: serde_json::Value,
}

impl WebhookData {
    /// The payload as a message.
    ///
    /// # Errors
    /// It is none.
    pub fn message(&self) -> Result<Message, serde_json::Error> {
        Message::deserialize(&self.payload)
    }
}

impl fmt::Debug for WebhookData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookData")
            .field("event_type", &self.event_type)
            .field("id", &self.id)
            .field("occurred_at", &self.occurred_at)
            .field("payload", &REDACTED)
            .finish_non_exhaustive()
    }
}

/// What a webhook is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// The carrier has an outbound message.
    #[serde(rename = "message.sent")]
    Sent,
    /// An outbound message has its final state.
    #[serde(rename = "message.finalized")]
    Finalized,
    /// Somebody wrote to one of our numbers.
    #[serde(rename = "message.received")]
    Received,
    /// Something that we do not follow.
    #[serde(other)]
    Other,
}

/// About one delivery of a webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookMeta {
    /// Number of the try, from 1.
    pub attempt: u32,
    /// The address that it was sent to.
    pub delivered_to: String,
}

#[cfg(test)]
mod tests;
