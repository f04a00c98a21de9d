//! Judges, hashes and checks passwords: in a bounded pool of threads off the async runtime.

mod hasher;
mod ours;
mod policy;

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use events::values::Invalid;
use platform::telemetry::metrics::{HASH_QUEUE, HASH_TIME};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, oneshot};

use self::{hasher::Hasher, ours::Memory};
pub use self::{
    hasher::check_foreign,
    policy::{check_length, check_length_beside_a_factor},
};

/// Works on passwords at once, all that waits for them and what comes before their turn included: about a second's for each of
/// two cores, and half of the requests that a service works on at once. The next one is refused.
const PLACES: usize = 64;

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

/// How long a thread that has nothing to do keeps the memory that it hashed in: from one sign-in to the next where they come
/// one after the other. Longer would leave traces of passwords there for longer, and memory with a process that is idle.
const MEMORY_KEPT: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce(&Hasher, &mut Memory) + Send>;

/// The pool.
#[derive(Debug, Clone)]
pub struct Passwords {
    jobs: Sender<Job>,
    places: Arc<Semaphore>,
    taken: Arc<AtomicU64>,
}

/// A place in the pool, for one work after the other. A work that was begun keeps it although nobody waits for it any more.
#[derive(Debug)]
#[must_use]
pub struct Place {
    pool: Passwords,
    held: Arc<Held>,
}

/// One of the places, while it is taken.
#[derive(Debug)]
struct Held(Arc<Semaphore>);

impl Passwords {
    /// Starts one thread per core.
    ///
    /// # Errors
    /// When a thread cannot be started, or the parameters are refused.
    pub fn start() -> anyhow::Result<Self> {
        let (jobs, queue) = crossbeam_channel::bounded::<Job>(PLACES);
        let hasher = Arc::new(Hasher::new()?);
        for number in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            let (queue, hasher) = (queue.clone(), Arc::clone(&hasher));
            thread::Builder::new().name(format!("passwords-{number}")).spawn(move || {
                give_way();
                let mut memory = Memory::default();
                while let Some(job) = next(&queue, &mut memory) {
                    // Whoever waits for it hears that it failed; the thread goes on.
                    if catch_unwind(AssertUnwindSafe(|| job(&hasher, &mut memory))).is_err() {
                        tracing::error!("work on a password panicked");
                        memory.free();
                    }
                }
            })?;
        }
        Ok(Self { jobs, places: Arc::new(Semaphore::new(PLACES)), taken: Arc::default() })
    }

    /// A place, or a refusal at once: before anything else is done for a request that cannot be served.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`].
    pub fn place(&self) -> Result<Place, PasswordError> {
        let held = Held::take(&self.places).ok_or(PasswordError::Overloaded)?;
        Ok(Place { pool: self.clone(), held: Arc::new(held) })
    }

    /// How many jobs were taken on since the start.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Held {
    fn take(places: &Arc<Semaphore>) -> Option<Self> {
        places.try_acquire().ok()?.forget();
        tell(places);
        Some(Self(Arc::clone(places)))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.add_permits(1);
        tell(&self.0);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few dozen")]
fn tell(places: &Semaphore) {
    HASH_QUEUE.set(PLACES.saturating_sub(places.available_permits()) as f64, []);
}

impl Place {
    /// The PHC string of a password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        self.run(move |hasher, memory| hasher.hash(memory, &password)).await?
    }

    /// Whether a password is the hashed one. Takes as long when there is no hash.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<Verified, PasswordError> {
        self.run(move |hasher, memory| hasher.verify(memory, &password, hash.as_deref())).await?
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
        self.run(move |_, _| policy::check_guessable(password.expose_secret(), &context)).await
    }

    /// Runs a job in the pool. If nobody waits for its answer any more by then, it is dropped: the client has gone.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Hasher, &mut Memory) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let (pool, held) = (&self.pool, Arc::clone(&self.held));
        let asked = Instant::now();
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |hasher, memory| {
            if !answer.is_closed() {
                let worked = work(hasher, memory);
                drop(held);
                drop(answer.send(worked));
            }
        });
        // There is room for as many as there are places, and each has one work at a time.
        pool.jobs.try_send(job).map_err(|_| PasswordError::Broken)?;
        pool.taken.fetch_add(1, Ordering::Relaxed);
        let worked = answered.await.map_err(|_| PasswordError::Broken);
        HASH_TIME.record(asked.elapsed(), []);
        worked
    }
}

/// Linux has a priority for each thread; elsewhere it is the process's, and stays as it is.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "the threads for passwords are as urgent as all others");
    }
}

/// The next job; none when nobody can ask for one any more.
fn next(queue: &Receiver<Job>, memory: &mut Memory) -> Option<Job> {
    match queue.recv_timeout(MEMORY_KEPT) {
        Ok(job) => Some(job),
        Err(RecvTimeoutError::Timeout) => {
            memory.free();
            queue.recv().ok()
        }
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_recognised_and_another_one_is_not() {
        let passwords = Passwords::start().unwrap();
        let place = || passwords.place().unwrap();
        let hash = place().hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(place().verify("correct horse battery".into(), Some(hash.clone())).await, Ok(Verified::Yes));
        assert_eq!(place().verify("correct horse batterz".into(), Some(hash)).await, Ok(Verified::No));
        assert_eq!(place().verify("nobody's password".into(), None).await, Ok(Verified::No));
    }

    #[tokio::test]
    async fn there_are_so_many_places_and_each_is_free_again_when_it_is_left() {
        let passwords = Passwords::start().unwrap();
        let mut places: Vec<Place> = std::iter::from_fn(|| passwords.place().ok()).collect();
        assert_eq!(places.len(), PLACES);
        let full = || assert_eq!(passwords.place().map(drop), Err(PasswordError::Overloaded));
        full();
        let place = places.pop().unwrap();
        for _ in 0..2 {
            assert_eq!(place.verify("any".into(), None).await, Ok(Verified::No));
            full();
        }
        drop(place);
        places.push(passwords.place().unwrap());
        full();
    }

    #[tokio::test]
    async fn a_work_that_panics_takes_nobody_else_along() {
        let passwords = Passwords::start().unwrap();
        for _ in 0..2 * PLACES {
            let panicked = passwords.place().unwrap().run(|_, _| panic!("a work of a test")).await;
            assert_eq!(panicked.map(|(): ()| ()), Err(PasswordError::Broken));
        }
        assert_eq!(passwords.place().unwrap().verify("any".into(), None).await, Ok(Verified::No));
    }
}
