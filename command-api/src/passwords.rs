//! Hashes and checks passwords: argon2id in a bounded pool of threads off the async runtime.

use std::{num::NonZeroUsize, sync::Arc, thread};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use events::values::Invalid;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Memory per hash, in KiB (OWASP Password Storage Cheat Sheet, first choice).
const MEMORY_KIB: u32 = 19_456;

/// Passes over the memory (same source).
const PASSES: u32 = 2;

/// Lanes (same source).
const LANES: u32 = 1;

/// Waiting hashes before sign-in is shed: about a second's work for each core.
const QUEUE: usize = 64;

/// Fewest characters of a password that is the only factor (NIST SP 800-63B-4 §3.1.1.2).
const MIN_CHARACTERS: usize = 15;

/// Most characters of a password; the hash takes all of them.
const MAX_CHARACTERS: usize = 128;

/// Why a password could not be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many are waiting already.
    #[error("too many passwords are waiting")]
    Overloaded,
    /// The hash does not read, or the pool is gone.
    #[error("passwords cannot be hashed")]
    Broken,
}

enum Job {
    Hash(SecretString, oneshot::Sender<Result<String, PasswordError>>),
    Verify(SecretString, Option<String>, oneshot::Sender<Result<bool, PasswordError>>),
}

/// The pool.
#[derive(Debug, Clone)]
pub struct Passwords {
    jobs: mpsc::Sender<Job>,
}

impl Passwords {
    /// Starts one thread per core.
    ///
    /// # Errors
    /// When a thread cannot be started, or the parameters are refused.
    pub fn start() -> anyhow::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| anyhow::anyhow!("{error}"))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        // What is checked when there is no account, so that the time tells nothing.
        let nobody: Arc<str> = hash(&argon2, b"nobody's password")?.into();
        for number in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            let (queue, argon2, nobody) = (Arc::clone(&queue), argon2.clone(), Arc::clone(&nobody));
            thread::Builder::new().name(format!("passwords-{number}")).spawn(move || {
                while let Some(job) = next(&queue) {
                    work(&argon2, &nobody, job);
                }
            })?;
        }
        Ok(Self { jobs })
    }

    /// Refuses a password that the policy refuses.
    ///
    /// # Errors
    /// `password-too-short` or `password-too-long`.
    pub fn check_policy(password: &SecretString) -> Result<(), Invalid> {
        let length = password.expose_secret().chars().count();
        let refuse = |code, message: String| Err(Invalid { code, message });
        match length {
            ..MIN_CHARACTERS => refuse("password-too-short", format!("must have at least {MIN_CHARACTERS} characters")),
            MIN_CHARACTERS..=MAX_CHARACTERS => Ok(()),
            _ => refuse("password-too-long", format!("must have at most {MAX_CHARACTERS} characters")),
        }
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        let (answer, hashed) = oneshot::channel();
        self.submit(Job::Hash(password, answer))?;
        hashed.await.unwrap_or(Err(PasswordError::Broken))
    }

    /// Whether a password is the hashed one. Takes as long when there is no hash.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, PasswordError> {
        let (answer, verified) = oneshot::channel();
        self.submit(Job::Verify(password, hash, answer))?;
        verified.await.unwrap_or(Err(PasswordError::Broken))
    }

    fn submit(&self, job: Job) -> Result<(), PasswordError> {
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PasswordError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => PasswordError::Broken,
        })
    }
}

fn next(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    queue.blocking_lock().blocking_recv()
}

/// An answer that nobody waits for any more is dropped: the client has gone.
fn work(argon2: &Argon2<'_>, nobody: &str, job: Job) {
    match job {
        Job::Hash(_, answer) if answer.is_closed() => (),
        Job::Verify(_, _, answer) if answer.is_closed() => (),
        Job::Hash(password, answer) => {
            answer.send(hash(argon2, password.expose_secret().as_bytes())).unwrap_or(());
        }
        Job::Verify(password, stored, answer) => {
            let hash = stored.as_deref().unwrap_or(nobody);
            let matches = match argon2.verify_password(password.expose_secret().as_bytes(), hash) {
                Ok(()) => Ok(stored.is_some()),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(_) => Err(PasswordError::Broken),
            };
            answer.send(matches).unwrap_or_default();
        }
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, PasswordError> {
    argon2.hash_password(password).map(|hash| hash.to_string()).map_err(|_| PasswordError::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_recognised_and_another_one_is_not() {
        let passwords = Passwords::start().unwrap();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(passwords.verify("correct horse battery".into(), Some(hash.clone())).await, Ok(true));
        assert_eq!(passwords.verify("correct horse batterz".into(), Some(hash)).await, Ok(false));
        assert_eq!(passwords.verify("nobody's password".into(), None).await, Ok(false));
    }

    #[test]
    fn the_policy_counts_characters() {
        assert_eq!(Passwords::check_policy(&"é".repeat(14).into()).unwrap_err().code, "password-too-short");
        assert!(Passwords::check_policy(&"é".repeat(15).into()).is_ok());
        assert_eq!(Passwords::check_policy(&"e".repeat(129).into()).unwrap_err().code, "password-too-long");
    }
}
