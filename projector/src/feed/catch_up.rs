use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use backon::{ExponentialBuilder, Retryable};
use events::{commit::StoredCommit, stream::StreamId};
use platform::store::{StoreError, unavailable};

use super::Feed;

/// Commits per page of the scan; DynamoDB ends a page at 1 MB anyway.
const PAGE: i32 = 500;

/// Pauses before a page comes again, as long as that can help: a scan that began anew each time would never come to the end
/// of a large log.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(10))
    .without_max_times()
    .with_jitter();

type Key = Option<HashMap<String, AttributeValue>>;

impl Feed {
    /// Applies the whole log: what the stream no longer has is not skipped. Slow, and safe beside the live tail, for
    /// everything goes through the same gate.
    pub(super) async fn catch_up_from_the_log(&self) -> Result<(), StoreError> {
        let mut start = None;
        let mut applied: u64 = 0;
        loop {
            let page = || self.catch_up_page(start.clone());
            let (commits, next) = page.retry(PAUSES).when(StoreError::is_outage).notify(told).await?;
            applied += commits;
            start = next;
            if start.is_none() {
                tracing::warn!(commits = applied, "caught up from the log");
                return Ok(());
            }
        }
    }

    /// Applies a page of the log, and gives how many commits it had and where the next one begins.
    async fn catch_up_page(&self, start: Key) -> Result<(u64, Key), StoreError> {
        let scan = self.0.client.scan().table_name(&self.0.events).consistent_read(true).limit(PAGE);
        let page = scan.set_exclusive_start_key(start).send().await.map_err(unavailable)?;
        let mut streams: BTreeMap<StreamId, Vec<StoredCommit>> = BTreeMap::new();
        let mut commits = 0;
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
            commits += 1;
        }
        self.apply_all(streams).await?;
        Ok((commits, page.last_evaluated_key))
    }
}

fn told(error: &StoreError, pause: Duration) {
    let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let error = error as &dyn std::error::Error;
    tracing::warn!(error, milliseconds, "a page of the log could not be applied and comes again");
}
