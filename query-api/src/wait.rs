//! Waits for the projector, for reads that nothing can be folded into.

use std::time::Duration;

use platform::http::Problem;

/// How long a read waits for the projector: a hand-over from a dead one takes longer, so whoever waits learns of it.
const AT_MOST: Duration = Duration::from_secs(5);

/// How often it looks.
const EVERY: Duration = Duration::from_millis(50);

/// Looks until it is so.
///
/// # Errors
/// 503 when it is not so in time, or when something does not answer.
pub async fn until<F: Future<Output = Result<bool, Problem>>>(is_so: impl Fn() -> F) -> Result<(), Problem> {
    let looking = async {
        while !is_so().await? {
            tokio::time::sleep(EVERY).await;
        }
        Ok(())
    };
    tokio::time::timeout(AT_MOST, looking).await.unwrap_or_else(|_| Err(Problem::unavailable()))
}
