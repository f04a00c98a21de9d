//! Keeps a message invisible to others while it is worked on.

use std::{convert::Infallible, error::Error, time::Duration};

use platform::tables::VISIBILITY_SECONDS;

/// How often the time is extended for which others do not see a message that is worked on.
const HEARTBEAT: Duration = Duration::from_secs(VISIBILITY_SECONDS as u64 / 3);

/// Does some work, and gives what it comes to, with a heartbeat beside it. A beat that fails ends nothing: a request may just
/// be with the provider. Should others see the message meanwhile, the notification's lease keeps them off.
pub(super) async fn beside<T, E: Error + 'static, B: Future<Output = Result<(), E>>>(
    work: impl Future<Output = T>,
    beat: impl Fn() -> B,
) -> T {
    tokio::select! {
        worked = work => worked,
        never = beating(beat) => match never {},
    }
}

async fn beating<E: Error + 'static, B: Future<Output = Result<(), E>>>(beat: impl Fn() -> B) -> Infallible {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        if let Err(error) = beat().await {
            tracing::warn!(error = &error as &dyn Error, "a message that is worked on could not be kept from others");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_comes_to_its_end_although_no_beat_succeeds() {
        let beats = Cell::new(0);
        let work = async {
            tokio::time::sleep(HEARTBEAT * 4 + HEARTBEAT / 2).await;
            "done"
        };
        let failing = || {
            beats.set(beats.get() + 1);
            ready(Err(std::io::Error::other("the queue does not answer")))
        };
        assert_eq!((beside(work, failing).await, beats.get()), ("done", 4));
    }
}
