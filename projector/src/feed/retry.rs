//! Un-parking: the stream runs from the log through the gate that every record goes through, then its note is removed.

use std::time::Duration;

use events::stream::{StreamId, Version};
use platform::{
    lifecycle::Shutdown,
    store::{Range, StoreError},
    telemetry::metrics::PARKED_STREAMS,
};

use super::{
    ApplyError, Feed,
    parking::{ParkedStream, chain},
    run::Run,
};

/// Commits per call.
const PAGE: usize = 100;

/// Runs until one is finished during which no further record of the stream failed.
const RUNS: usize = 3;

/// How often it is looked whether an older build parked something: an almost empty table, so 0.5 read units.
const LOOK: Duration = Duration::from_secs(10);

/// What came of trying a parked stream again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// Everything is applied and the note is gone.
    Applied,
    /// It fails still.
    Fails {
        /// Where.
        version: String,
        /// Why.
        error: String,
    },
    /// Its name is none that this build knows.
    Unnamed,
    /// Records of it went on failing meanwhile, by another projector.
    Contended,
}

impl Feed {
    /// Applies a parked stream from the version that failed to its end, everything that its commits add included.
    ///
    /// # Errors
    /// [`StoreError`] when a table does not answer.
    pub async fn retry(&self, parked: &ParkedStream) -> Result<Retried, StoreError> {
        let Ok(stream) = parked.stream.parse::<StreamId>() else { return Ok(Retried::Unnamed) };
        let mut seen = parked.clone();
        for _ in 0..RUNS {
            self.0.feeding.adopt().await?;
            let first = seen.version.parse().map_or(Version::NONE, |version: u64| Version(version.saturating_sub(1)));
            match self.apply_from(stream, first).await {
                Ok(()) => (),
                Err(ApplyError::Transient(error)) => return Err(error),
                Err(ApplyError::Poison { at, source }) => {
                    let version = at.map_or_else(|| seen.version.clone(), |at| at.to_string());
                    self.0.parking.still_parked(&seen, &version, &source).await?;
                    return Ok(Retried::Fails { version, error: chain(&source) });
                }
            }
            if self.0.parking.unpark(&seen).await? {
                tracing::info!(stream = %stream, "a parked stream is applied");
                return Ok(Retried::Applied);
            }
            match self.0.parking.get(&seen.stream).await? {
                Some(now) => seen = now,
                None => return Ok(Retried::Applied),
            }
        }
        Ok(Retried::Contended)
    }

    /// Applies what follows a version of a stream, everything that its commits add included.
    pub(super) async fn apply_from(&self, stream: StreamId, mut after: Version) -> Result<(), ApplyError> {
        loop {
            let commits = self.0.store.read_stored(stream, Range { after, until: None }, PAGE).await?;
            let Some(last) = commits.last() else { return Ok(()) };
            after = last.version;
            let mut run = Run::of(stream, commits);
            let first = run.first();
            self.add_rows(std::slice::from_mut(&mut run)).await?;
            self.apply_run(run).await.map_err(|error| error.at(first))?;
        }
    }

    /// Tries what an older build parked, until the shutdown begins: it may be readable by this one.
    pub async fn retry_older(self, shutdown: Shutdown) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! { () = shutdown.begun() => return, _ = tick.tick() => () }
            tokio::select! {
                () = shutdown.begun() => return,
                tried = self.try_older() => if let Err(error) = tried {
                    tracing::warn!(error = &error as &dyn std::error::Error, "parked streams could not be tried");
                }
            }
        }
    }

    async fn try_older(&self) -> Result<(), StoreError> {
        let parked = self.0.parking.list().await?;
        PARKED_STREAMS.set(u32::try_from(parked.len()).unwrap_or(u32::MAX).into(), []);
        for parked in parked.iter().filter(|parked| parked.is_of_an_older_build()) {
            let retried = self.retry(parked).await?;
            tracing::info!(stream = parked.stream, build = parked.build, ?retried, "tried what an older build parked");
        }
        Ok(())
    }
}
