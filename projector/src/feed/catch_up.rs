use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use events::{commit::StoredCommit, stream::StreamId};
use platform::store::{StoreError, unavailable};

use super::Feed;

/// Commits per page of the scan; DynamoDB ends a page at 1 MB anyway.
const PAGE: i32 = 500;

impl Feed {
    /// Applies the whole log: what the stream no longer has is not skipped. Slow, and safe beside the live tail, for
    /// everything goes through the same gate.
    pub(super) async fn catch_up_from_the_log(&self) -> Result<(), StoreError> {
        let mut start = None;
        let mut applied: u64 = 0;
        loop {
            let page = self
                .0
                .client
                .scan()
                .table_name(&self.0.events)
                .consistent_read(true)
                .limit(PAGE)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(unavailable)?;
            let mut streams: BTreeMap<StreamId, Vec<StoredCommit>> = BTreeMap::new();
            for item in page.items.unwrap_or_default() {
                match platform::store::decode_item(&item) {
                    Ok(commit) => streams.entry(commit.stream).or_default().push(commit),
                    Err(error) => {
                        let text = |name| match item.get(name) {
                            Some(AttributeValue::S(text) | AttributeValue::N(text)) => text.as_str(),
                            _ => "unreadable",
                        };
                        self.0.parking.park(text("stream"), text("version"), &error).await?;
                    }
                }
                applied += 1;
            }
            self.apply_all(streams).await?;
            start = page.last_evaluated_key;
            if start.is_none() {
                tracing::warn!(commits = applied, "caught up from the log");
                return Ok(());
            }
        }
    }
}
