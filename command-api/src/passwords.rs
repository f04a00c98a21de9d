//! Judges, hashes and checks passwords: in a bounded pool of threads off the async runtime.

mod hasher;
mod policy;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use events::values::Invalid;
use platform::telemetry::metrics::{HASH_QUEUE, HASH_TIME};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, mpsc, oneshot};

use self::hasher::Hasher;
pub use self::{
    hasher::check_foreign,
    policy::{check_length, check_length_beside_a_factor},
};

/// Waiting jobs before sign-in is shed: about a second's work for each core.
const QUEUE: usize = 64;

/// Why a password could not be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many are waiting already.
    #[error("too many passwords are waiting")]
    Overloaded,
    /// The library refuses, or the pool is gone.
    #[error("passwords cannot be hashed")]
    Broken,
}

/// What a password turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// Not the one, or there is none.
    No,
    /// The one.
    Yes,
    /// The one, but hashed by another algorithm or with other parameters than ours: this is its hash of today.
    Rehashed(String),
}

/// How much less urgent the pool's threads are than all others (`nice`): a storm of sign-ins takes what the rest leaves.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce(&Hasher) + Send>;

/// The pool.
#[derive(Debug, Clone)]
pub struct Passwords {
    jobs: mpsc::Sender<Job>,
    taken: Arc<AtomicU64>,
}

impl Passwords {
    /// Starts one thread per core.
    ///
    /// # Errors
    /// When a thread cannot be started, or the parameters are refused.
    pub fn start() -> anyhow::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let hasher = Arc::new(Hasher::new()?);
        for number in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            let (queue, hasher) = (Arc::clone(&queue), Arc::clone(&hasher));
            thread::Builder::new().name(format!("passwords-{number}")).spawn(move || {
                give_way();
                while let Some(job) = next(&queue) {
                    job(&hasher);
                }
            })?;
        }
        Ok(Self { jobs, taken: Arc::default() })
    }

    /// Refuses at once when the queue is full, before anything else is done for a request that cannot be served.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`].
    pub fn has_room(&self) -> Result<(), PasswordError> {
        if self.jobs.capacity() == 0 { Err(PasswordError::Overloaded) } else { Ok(()) }
    }

    /// How many jobs were taken on since the start.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        self.run(move |hasher| hasher.hash(&password)).await?
    }

    /// Whether a password is the hashed one. Takes as long when there is no hash.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<Verified, PasswordError> {
        self.run(move |hasher| hasher.verify(&password, hash.as_deref())).await?
    }

    /// Refuses a new password that is easily guessed by whoever knows `context`: names, addresses.
    ///
    /// # Errors
    /// [`PasswordError`]; inside it `password-too-guessable`.
    pub async fn judge(
        &self,
        password: SecretString,
        context: Vec<String>,
    ) -> Result<Result<(), Invalid>, PasswordError> {
        self.run(move |_| policy::check_guessable(password.expose_secret(), &context)).await
    }

    /// Runs a job in the pool. If nobody waits for its answer any more by then, it is dropped: the client has gone.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Hasher) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let asked = Instant::now();
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |hasher| {
            if !answer.is_closed() {
                drop(answer.send(work(hasher)));
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PasswordError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => PasswordError::Broken,
        })?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.note_queue();
        let worked = answered.await.map_err(|_| PasswordError::Broken);
        self.note_queue();
        HASH_TIME.record(asked.elapsed(), []);
        worked
    }
}

impl Passwords {
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    fn note_queue(&self) {
        HASH_QUEUE.set((QUEUE - self.jobs.capacity()) as f64, []);
    }
}

/// Linux has a priority for each thread; elsewhere it is the process's, and stays as it is.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "the threads for passwords are as urgent as all others");
    }
}

fn next(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    queue.blocking_lock().blocking_recv()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_recognised_and_another_one_is_not() {
        let passwords = Passwords::start().unwrap();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(passwords.verify("correct horse battery".into(), Some(hash.clone())).await, Ok(Verified::Yes));
        assert_eq!(passwords.verify("correct horse batterz".into(), Some(hash)).await, Ok(Verified::No));
        assert_eq!(passwords.verify("nobody's password".into(), None).await, Ok(Verified::No));
    }
}
