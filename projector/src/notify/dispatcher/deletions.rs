//! Deletes the messages that have served, several with one call. After a crash those come again that were not deleted yet, and
//! then there is nothing to do but to delete them.

use std::{error::Error, time::Duration};

use events::notification::Lane;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::super::queue::{BATCH, Queues, Received};

/// How long a message waits for others to be deleted with: little beside the minute for which nobody else sees it.
const FILLING: Duration = Duration::from_millis(20);

/// Calls under way at once: as many as receives, which bring as many messages.
const AT_ONCE: usize = super::RECEIVERS;

/// Messages that may wait: what the calls under way take away together. Whoever has one more waits with it.
const WAITING: usize = BATCH as usize * AT_ONCE;

/// Takes the messages of a lane that have served; and what deletes them, which ends once nobody can hand one in any more.
pub(super) fn of(queues: Queues, lane: Lane) -> (mpsc::Sender<Received>, impl Future<Output = ()>) {
    let (served, waiting) = mpsc::channel(WAITING);
    let delete = move |messages: Vec<Received>| {
        let queues = queues.clone();
        async move {
            if let Err(error) = queues.delete_all(lane, &messages).await {
                let count = messages.len();
                tracing::warn!(?lane, count, error = &error as &dyn Error, "messages were not deleted and come again");
            }
        }
    };
    let deleting = stream::unfold(waiting, batch).map(delete).buffer_unordered(AT_ONCE).for_each(async |()| ());
    (served, deleting)
}

/// What is handed in next: a whole batch, or what has come within [`FILLING`] of the first.
async fn batch<T>(mut waiting: mpsc::Receiver<T>) -> Option<(Vec<T>, mpsc::Receiver<T>)> {
    let mut batch = vec![waiting.recv().await?];
    let fill = async {
        while batch.len() < BATCH.into()
            && let Some(one) = waiting.recv().await
        {
            batch.push(one);
        }
    };
    // What has come is in it, whether it is full or not.
    let _ = tokio::time::timeout(FILLING, fill).await;
    Some((batch, waiting))
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_full_or_waits_for_20_ms_and_none_is_left_at_the_end() {
        let (served, waiting) = mpsc::channel(100);
        let handing_in = async move {
            for one in 0..23 {
                served.send(one).await.unwrap();
            }
            sleep(FILLING * 2).await;
            served.send(23).await.unwrap();
            sleep(FILLING / 2).await;
            served.send(24).await.unwrap();
        };
        let began = Instant::now();
        let batches = stream::unfold(waiting, batch).map(|batch: Vec<u32>| (batch.len(), began.elapsed()));
        let (batches, ()) = tokio::join!(batches.collect::<Vec<_>>(), handing_in);
        let counts: Vec<usize> = batches.iter().map(|(count, _)| *count).collect();
        assert_eq!(counts, [10, 10, 3, 2], "{batches:?}");
        assert!(batches[1].1 < FILLING, "a full one does not wait: {batches:?}");
        assert!(batches[2].1 >= FILLING && batches[2].1 < FILLING * 2, "the rest waits for its time: {batches:?}");
        assert!(batches[3].1 < FILLING * 3, "the end ends the wait: {batches:?}");
    }
}
