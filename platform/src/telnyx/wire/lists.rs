//! What Telnyx lists in pages: detail records, and who opted out.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::REDACTED;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Where it stands.
    #[serde(default)]
    pub meta: PageMeta,
}

/// Where a page stands in its list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageMeta {
    /// How many pages there are.
    pub total_pages: u64,
    /// How many items there are on all of them.
    pub total_results: u64,
    /// Number of this page, from 1.
    pub page_number: u64,
    /// How many items a page holds at most.
    pub page_size: u64,
}

/// One message of `GET /v2/detail_records?filter[record_type]=messaging`. A message that still waits in Telnyx's queue
/// has none: that there is none proves nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailRecord {
    /// `message_detail_record`.
    #[serde(default)]
    pub record_type: String,
    /// The message's id.
    pub uuid: String,
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cli: Option<String>,
    /// The recipient.
    #[serde(default)]
    pub cld: String,
    /// `outbound` or `inbound`.
    #[serde(default)]
    pub direction: String,
    /// `SMS`, `MMS` or `RCS`.
    #[serde(default)]
    pub message_type: String,
    /// How it ended; absent while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<DetailStatus>,
    /// Telnyx's codes of what went wrong.
    #[serde(default)]
    pub errors: Vec<String>,
    /// Where webhooks about the message go, as its sender gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_status_webhook_url: Option<String>,
    /// The second address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_status_failover_url: Option<String>,
    /// Segments that were counted and paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// When Telnyx accepted the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it went to the carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// When its final state became known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for DetailRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetailRecord")
            .field("uuid", &self.uuid)
            .field("cld", &REDACTED)
            .field("status", &self.status)
            .field("errors", &self.errors)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// How a message ended, by its detail record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetailStatus {
    /// The handset has it.
    Delivered,
    /// An inbound message came in.
    Received,
    /// It failed on its way.
    Failed,
    /// The carrier's gateway refused it.
    GwReject,
    /// The carrier's gateway did not answer.
    GwTimeout,
    /// The carrier says nothing about its end.
    DlrUnconfirmed,
    /// The carrier's report did not come in time.
    DlrTimeout,
    /// A status that this version does not know.
    #[serde(other)]
    Unknown,
}

/// One number of `GET /v2/messaging_optouts`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// Our number, to which it was written.
    #[serde(default)]
    pub from: String,
    /// The number that wants no messages.
    #[serde(default)]
    pub to: String,
    /// The profile in which it is blocked.
    #[serde(default)]
    pub messaging_profile_id: Option<String>,
    /// The word that was written.
    #[serde(default)]
    pub keyword: Option<String>,
    /// Since when. The contract says a date-time of RFC 3339, and its example has no `T` and no zone: so it stays text.
    #[serde(default)]
    pub created_at: String,
}

impl fmt::Debug for OptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptOut")
            .field("to", &REDACTED)
            .field("keyword", &self.keyword)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}
