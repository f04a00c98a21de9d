//! The keys of a running service, which follow what is written in the secrets.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use tokio::time::{Instant, MissedTickBehavior};

use super::key_set::KeySet;
use crate::crypto::{SecretsError, SecretsSource, SigningKeys};

/// The present keys. Clones share them, and see at once when they change.
#[derive(Clone)]
pub struct TokenKeys(Arc<ArcSwap<KeySet>>);

impl TokenKeys {
    /// The keys as they were read.
    ///
    /// # Errors
    /// When one of them is no usable key.
    pub fn new(keys: &SigningKeys) -> Result<Self, SecretsError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(KeySet::new(keys)?))))
    }

    /// Takes these keys from now on, all at once; whether they are others than before.
    ///
    /// # Errors
    /// When one of them is no usable key: then the present ones stay.
    pub fn take(&self, keys: &SigningKeys) -> Result<bool, SecretsError> {
        let set = KeySet::new(keys)?;
        // The first one signs: the same keys in another order are others.
        let changed = set.public() != self.present().public();
        if changed {
            self.0.store(Arc::new(set));
        }
        Ok(changed)
    }

    /// Reads the keys again and again from where they lie, for ever: requests that are still at hand in a shutdown need
    /// them too. What cannot be read changes nothing.
    pub async fn follow(self, source: SecretsSource) {
        let every = source.read_every();
        self.follow_every(every, source).await;
    }

    /// As [`TokenKeys::follow`], as often as is said here.
    pub async fn follow_every(self, every: Duration, source: SecretsSource) {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut read_at = Instant::now();
        let mut failing = false;
        loop {
            tick.tick().await;
            match self.read_again(&source).await {
                Ok(changed) => {
                    if changed {
                        tracing::info!(keys = ?self.names(), "the keys of access tokens have changed: the first one signs");
                    }
                    if failing {
                        tracing::info!("the keys of access tokens can be read again");
                    }
                    (failing, read_at) = (false, Instant::now());
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    let seconds = read_at.elapsed().as_secs();
                    tracing::warn!(
                        error,
                        seconds,
                        "the keys of access tokens cannot be read again: the present ones stay"
                    );
                    failing = true;
                }
            }
        }
    }

    /// Reads the keys once, and takes what was read; whether they are others than before.
    ///
    /// # Errors
    /// When they cannot be read or used: then the present ones stay.
    pub async fn read_again(&self, source: &SecretsSource) -> Result<bool, SecretsError> {
        self.take(source.load().await?.signing())
    }

    pub(super) fn present(&self) -> Guard<Arc<KeySet>> {
        self.0.load()
    }

    /// The names of all keys, the one that signs first.
    fn names(&self) -> Vec<String> {
        let keys = self.present();
        keys.public().keys.iter().filter_map(|key| key.common.key_id.clone()).collect()
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenKeys").field(&self.names()).finish()
    }
}
