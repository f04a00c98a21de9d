//! The provider's records of messages: the only way to find one whose id nobody told us.

use chrono::{DateTime, TimeDelta, Utc};
use events::{notification::Receipt, values::Phone};
use platform::telnyx::wire::{DetailRecord, DetailStatus, Page};

use super::{Found, NotAsked, Telnyx};

/// Records on a page: the most that there are.
const PAGE: usize = 50;

/// Pages that are read at most: of one number's messages within hours, more than our own limits let through.
const PAGES: usize = 4;

/// How much earlier than ours the provider's clock may be.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);

/// What a record says of its message's end.
fn receipt(record: &DetailRecord) -> Option<Receipt> {
    let code = || record.errors.first().cloned().unwrap_or_else(|| "unspecified".to_owned());
    match record.status? {
        DetailStatus::Delivered => Some(Receipt::Delivered),
        DetailStatus::DlrUnconfirmed | DetailStatus::DlrTimeout => Some(Receipt::Unconfirmed),
        DetailStatus::Failed | DetailStatus::GwReject | DetailStatus::GwTimeout => Some(Receipt::Failed(code())),
        DetailStatus::Received | DetailStatus::Unknown => None,
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
            let page: Page<DetailRecord> = self.get("/v2/detail_records", &query).await?.ok_or(NotAsked::Garbled)?;
            let whole = page.data.len() >= PAGE;
            let earliest = requested_at - CLOCKS_DIFFER;
            let passed = page.data.iter().any(|record| record.created_at.is_some_and(|at| at < earliest));
            let ours = |record: &DetailRecord| record.delivery_status_webhook_url.as_deref() == Some(webhook_url);
            if let Some(record) = page.data.into_iter().find(ours) {
                return Ok(Some(Found { receipt: receipt(&record), provider_id: record.uuid }));
            }
            if passed || !whole {
                break;
            }
        }
        Ok(None)
    }
}
