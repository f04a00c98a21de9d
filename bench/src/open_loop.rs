use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep_until};

use crate::closed_loop::Round;

/// Requests that are under way at once: fewer than a service lets in, so that none is refused for coming beside too many
/// others. One that has to wait for a place has waited.
const AT_ONCE: usize = 96;

/// Requests begin at their moments, `rate` a second, whether those before them are answered or not, and each latency is
/// counted from the moment at which its request was due: one that had to wait for another has waited, too (what is called
/// coordinated omission is thus left in the figures).
///
/// # Errors
/// The first request that fails.
pub(crate) async fn run<F, R>(rate: f64, time: Duration, request: F) -> anyhow::Result<Round>
where
    F: Fn(usize) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
    let count = (rate * time.as_secs_f64()) as u32;
    let (began, pause) = (Instant::now(), Duration::from_secs_f64(1.0 / rate));
    let requests = (0..count).map(|number| {
        let (due, request) = (began + pause * number, &request);
        async move {
            sleep_until(due).await;
            request(usize::try_from(number)?).await?;
            anyhow::Ok(due.elapsed())
        }
    });
    let latencies: Vec<Duration> = stream::iter(requests).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(Round::of_all(latencies, began.elapsed()))
}
