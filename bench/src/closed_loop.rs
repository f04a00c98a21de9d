use std::time::{Duration, Instant};

use futures::future::try_join_all;

/// What a round gave.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// Requests per second.
    pub(crate) rate: f64,
    latencies: Vec<Duration>,
}

impl Round {
    /// A round of which only the rate is known.
    pub(crate) fn of_rate(rate: f64) -> Self {
        Self { rate, latencies: Vec::new() }
    }

    /// A round of which only the latencies are of interest.
    pub(crate) fn of_latencies(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self { rate: f64::NAN, latencies }
    }

    /// A round with all its latencies, that took so long.
    pub(crate) fn of_all(latencies: Vec<Duration>, took: Duration) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let rate = latencies.len() as f64 / took.as_secs_f64();
        Self { rate, ..Self::of_latencies(latencies) }
    }

    /// Requests of which it knows the latency.
    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    /// A quantile of the latencies, in milliseconds.
    pub(crate) fn milliseconds(&self, quantile: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        let rank = (quantile * (self.latencies.len().saturating_sub(1)) as f64).round() as usize;
        self.latencies.get(rank).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
    }
}

/// Each client sends so many requests, one after the other.
///
/// # Errors
/// The first request that fails.
pub(crate) async fn run_each<F, R>(clients: usize, each: usize, request: F) -> anyhow::Result<Round>
where
    F: Fn(usize, usize) -> R + Sync,
    R: Future<Output = anyhow::Result<()>>,
{
    let request = &request;
    let loops = (0..clients).map(|client| async move {
        let mut latencies = Vec::new();
        for number in 0..each {
            let sent = Instant::now();
            request(client, number).await?;
            latencies.push(sent.elapsed());
        }
        anyhow::Ok(latencies)
    });
    Ok(Round::of_latencies(try_join_all(loops).await?.into_iter().flatten().collect()))
}

/// Each client sends its next request when the last one was answered, until the time is over.
///
/// # Errors
/// The first request that fails.
pub(crate) async fn run<F, R>(clients: usize, time: Duration, request: F) -> anyhow::Result<Round>
where
    F: Fn(usize, usize) -> R + Sync,
    R: Future<Output = anyhow::Result<()>>,
{
    let (began, request) = (Instant::now(), &request);
    let loops = (0..clients).map(|client| async move {
        let mut latencies = Vec::new();
        while began.elapsed() < time {
            let sent = Instant::now();
            request(client, latencies.len()).await?;
            latencies.push(sent.elapsed());
        }
        anyhow::Ok(latencies)
    });
    let latencies = try_join_all(loops).await?.into_iter().flatten().collect();
    Ok(Round::of_all(latencies, began.elapsed()))
}
