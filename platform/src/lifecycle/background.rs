//! What a service does beside answering: without it the service must not go on as if all were well.

use std::collections::HashMap;

use tokio::task::{Id, JoinError, JoinSet};

use super::Shutdown;

/// The tasks of a service. Dropping it ends them.
#[derive(Debug, Default)]
pub struct Background {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

/// A task that ended although there was no shutdown, or panicked. The panic's place is logged by telemetry's hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} has died")]
pub struct Died(&'static str);

impl Background {
    /// Starts a task; `name` says what it does.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Serves until the shutdown, as long as every task lives.
    ///
    /// # Errors
    /// [`Died`], at once: whoever restarts the service makes it whole again.
    pub async fn beside(&mut self, serving: impl Future<Output = ()>, shutdown: &Shutdown) -> Result<(), Died> {
        tokio::pin!(serving);
        loop {
            tokio::select! {
                () = serving.as_mut() => return Ok(()),
                Some(ended) = self.tasks.join_next_with_id() => self.judge(&ended, shutdown)?,
            }
        }
    }

    /// Waits until every task has ended, or the shutdown is forced.
    ///
    /// # Errors
    /// [`Died`] for one that panicked.
    pub async fn finish(mut self, shutdown: &Shutdown) -> Result<(), Died> {
        loop {
            tokio::select! {
                () = shutdown.forced() => return Ok(()),
                ended = self.tasks.join_next_with_id() => match ended {
                    Some(ended) => self.judge(&ended, shutdown)?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn judge(&self, ended: &Result<(Id, ()), JoinError>, shutdown: &Shutdown) -> Result<(), Died> {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        if ended.is_ok() && shutdown.has_begun() {
            return Ok(());
        }
        let died = Died(self.names.get(&id).copied().unwrap_or("a task"));
        tracing::error!(error = &died as &dyn std::error::Error, "the service ends");
        Err(died)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_dies_ends_the_service() {
        let shutdown = Shutdown::new();
        let mut background = Background::default();
        background.spawn("what goes on", std::future::pending());
        background.spawn("what ends", async {});
        let served = background.beside(std::future::pending(), &shutdown).await;
        assert_eq!(served, Err(Died("what ends")));

        let mut background = Background::default();
        background.spawn("what panics", async { panic!("as it must") });
        shutdown.begin();
        let served = background.beside(std::future::pending(), &shutdown).await;
        assert_eq!(served, Err(Died("what panics")));
    }

    #[tokio::test]
    async fn in_a_shutdown_tasks_may_end_and_are_waited_for_until_it_is_forced() {
        let shutdown = Shutdown::new();
        let mut background = Background::default();
        let stopping = shutdown.clone();
        background.spawn("what stops", async move { stopping.begun().await });
        shutdown.begin();
        assert_eq!(background.beside(async { tokio::task::yield_now().await }, &shutdown).await, Ok(()));
        background.spawn("what hangs", std::future::pending());
        shutdown.force();
        assert_eq!(background.finish(&shutdown).await, Ok(()));
    }
}
