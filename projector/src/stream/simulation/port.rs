//! Through here a process calls the stream and the lease table.

use tokio::time::sleep;

use super::{
    events::Event,
    process::step,
    weather::{Fate, Part},
    world::{State, World},
};
use crate::stream::{
    LeaseError, LeaseStore, Page, Replaced, Source, SourceError, lease::Lease, shards::Shard, source::From,
};

/// The answer to a call did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer")]
pub(super) struct NoAnswer;

/// One process's way out.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) world: World,
    pub(super) process: usize,
}

impl Port {
    /// One call: what becomes of it is drawn, and its effect, if any, happens at one moment.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        part: Part,
        effect: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        step(&self.world, self.process).await;
        let fate = self.world.lock().fate(part);
        if let Some(event) = fate.event() {
            self.world.lock().count(event);
        }
        let answer = match fate {
            Fate::Answered { before, after } => {
                sleep(before).await;
                let answer = self.effect(effect);
                if !after.is_zero() {
                    sleep(after).await;
                }
                Ok(answer)
            }
            Fate::Failed { after } => {
                sleep(after).await;
                Err(NoAnswer)
            }
            Fate::AnswerLost { before, after } => {
                sleep(before).await;
                drop(self.effect(effect));
                sleep(after).await;
                Err(NoAnswer)
            }
            Fate::Late { given_up, effect: later } => {
                let port = self.clone();
                tokio::spawn(async move {
                    sleep(later).await;
                    drop(port.effect(effect));
                });
                sleep(given_up).await;
                Err(NoAnswer)
            }
        };
        step(&self.world, self.process).await;
        answer
    }

    fn effect<T>(&self, effect: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.world.lock();
        state.steps += 1;
        effect(&mut state)
    }

    async fn ask<T: Send + 'static>(
        &self,
        effect: impl FnOnce(&mut State) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let answer = self.call(Part::Stream, |state| {
            if state.happens(state.weather.throttling) {
                state.count(Event::Throttled);
                return Err(SourceError::Throttled("slowly".into()));
            }
            effect(state)
        });
        answer.await.unwrap_or_else(|no_answer| Err(SourceError::Unavailable(no_answer.into())))
    }

    async fn write<T: Send + 'static>(
        &self,
        effect: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T, LeaseError> {
        self.call(Part::Leases, effect).await.map_err(|no_answer| LeaseError::Unavailable(no_answer.into()))
    }
}

impl Source for Port {
    async fn stream(&self) -> Result<String, SourceError> {
        self.ask(|state| Ok(state.tree.stream.clone())).await
    }

    async fn shards(&self, stream: &str) -> Result<Vec<Shard>, SourceError> {
        let stream = stream.to_owned();
        self.ask(move |state| Ok(state.list_shards(&stream))).await
    }

    async fn children(&self, stream: &str, parent: &str) -> Result<Vec<Shard>, SourceError> {
        let (stream, parent) = (stream.to_owned(), parent.to_owned());
        self.ask(move |state| {
            let mut listed = state.list_shards(&stream);
            listed.retain(|shard| shard.parents.contains(&parent));
            Ok(listed)
        })
        .await
    }

    async fn iterator(&self, _: &str, shard: &str, from: &From) -> Result<String, SourceError> {
        let (shard, from) = (shard.to_owned(), from.clone());
        self.ask(move |state| state.give_iterator(&shard, &from)).await
    }

    async fn records(&self, iterator: &str) -> Result<Page, SourceError> {
        let iterator = iterator.to_owned();
        self.ask(move |state| state.give_records(&iterator)).await
    }
}

impl LeaseStore for Port {
    async fn list(&self) -> Result<Vec<Lease>, LeaseError> {
        self.write(|state| state.leases.list()).await
    }

    async fn create(&self, lease: &Lease) -> Result<bool, LeaseError> {
        let (lease, process) = (lease.clone(), self.process);
        self.write(move |state| state.create_lease(process, lease)).await
    }

    async fn replace(&self, seen: &Lease, new: &Lease) -> Result<Replaced, LeaseError> {
        let (seen, new, process) = (seen.clone(), new.clone(), self.process);
        self.write(move |state| state.replace_lease(process, &seen, new)).await
    }

    async fn delete(&self, seen: &Lease) -> Result<bool, LeaseError> {
        let (seen, process) = (seen.clone(), self.process);
        self.write(move |state| state.delete_lease(process, &seen)).await
    }
}
