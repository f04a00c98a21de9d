//! The provider's records of messages: the only way to find one whose id nobody told us.

use chrono::{DateTime, TimeDelta, Utc};
use events::{notification::Receipt, values::Phone};
use serde::Deserialize;

use super::{Found, NotAsked, Telnyx};

/// Records on a page: the most that there are.
const PAGE: usize = 50;

/// Pages that are read at most: of one number's messages within hours, more than our own limits let through.
const PAGES: usize = 4;

/// How much earlier than ours the provider's clock may be.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);

/// A page of records. Of a record only what is needed is read.
#[derive(Deserialize)]
struct Records {
    data: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    uuid: String,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    delivery_status_webhook_url: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    errors: Vec<String>,
}

impl Record {
    fn receipt(&self) -> Option<Receipt> {
        let code = || self.errors.first().cloned().unwrap_or_else(|| "unspecified".to_owned());
        match self.status.as_deref()? {
            "sent" => Some(Receipt::Sent),
            "delivered" => Some(Receipt::Delivered),
            "delivery_unconfirmed" => Some(Receipt::Unconfirmed),
            "sending_failed" | "delivery_failed" | "expired" => Some(Receipt::Failed(code())),
            _ => None,
        }
    }
}

impl Telnyx {
    /// Searches the records for a message to `to` whose webhooks go to `webhook_url`: each try has an address of its own. A
    /// message that waits in the provider's queue is in no record yet.
    pub(in crate::notify) async fn search(
        &self,
        to: &Phone,
        webhook_url: &str,
        requested_at: DateTime<Utc>,
    ) -> Result<Option<Found>, NotAsked> {
        let size = PAGE.to_string();
        for number in 1..=PAGES {
            let number = number.to_string();
            let query = [
                ("filter[record_type]", "messaging"),
                ("filter[cli]", self.sender()),
                ("filter[cld]", to.as_str()),
                ("sort", "-created_at"),
                ("page[number]", number.as_str()),
                ("page[size]", size.as_str()),
            ];
            let page: Records = self.get("/v2/detail_records", &query).await?.ok_or(NotAsked::Garbled)?;
            let whole = page.data.len() >= PAGE;
            let earliest = requested_at - CLOCKS_DIFFER;
            let passed = page.data.iter().any(|record| record.created_at.is_some_and(|at| at < earliest));
            let ours = |record: &Record| record.delivery_status_webhook_url.as_deref() == Some(webhook_url);
            if let Some(record) = page.data.into_iter().find(ours) {
                return Ok(Some(Found { receipt: record.receipt(), provider_id: record.uuid }));
            }
            if passed || !whole {
                break;
            }
        }
        Ok(None)
    }
}
