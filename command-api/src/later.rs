//! Work that goes on behind an answer that is given at once, so that the time of the answer tells nothing of it.

use std::sync::Arc;

use platform::http::{Problem, layers::Trip};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Works at once: each is a handful of reads and one write.
const AT_ONCE: usize = 32;

/// Runs such work, so much of it at once. Clones share everything.
#[derive(Debug, Clone)]
pub struct Later {
    places: Arc<Semaphore>,
    works: TaskTracker,
}

impl Default for Later {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), works: TaskTracker::new() }
    }
}

impl Later {
    /// Begins a work, on the trip of the request at hand. Whoever asked does not hear how it ends; the log does.
    ///
    /// # Errors
    /// 503 when there is no place.
    pub fn begin(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<(), Problem>> + Send + 'static,
    ) -> Result<(), Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Problem::overloaded())?;
        let trip = Trip::current();
        self.works.spawn(trip.carry(async move {
            if let Err(problem) = work.await {
                tracing::warn!(code = problem.code, "{what} was not done");
            }
            drop(place);
        }));
        Ok(())
    }

    /// Waits until all that began has ended. Nothing may begin any more.
    pub async fn finished(&self) {
        self.works.close();
        self.works.wait().await;
    }
}
