use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};
use chrono::{DateTime, Utc};
use events::{commit::timestamp, stream::StreamId};
use moka::future::Cache;
use tokio::time::Instant;

use super::{NotSealed, SealingKey};
use crate::{
    aws::{CallFailed, batch},
    tables::{KEYS, Names},
};

/// Most data keys kept open at once: about 1 MB.
const CACHED_KEYS: u64 = 10_000;

/// How long an open key is kept for folding and appending: there the log itself says that its subject is erased.
const CACHED_FOR: Duration = Duration::from_mins(1);

/// How long it is good for where nothing else would say so. It bounds how long after an erasure another process can
/// still open sealed fields: as long as a revoked right may go on working.
const RECENT: Duration = Duration::from_secs(5);

/// Attribute by which a row is a tombstone.
pub(crate) const ERASED_AT: &str = "erased_at";

/// The data keys of the subjects, each in a row of table `keys`, wrapped.
#[derive(Clone)]
pub struct Keyring {
    client: Client,
    table: String,
    wrapping: Arc<SealingKey>,
    /// Each with the moment at which its row was seen by a strongly consistent read, if it was.
    open: Cache<StreamId, (Arc<SealingKey>, Option<Instant>)>,
}

/// What a subject's row says.
#[derive(Debug, Clone)]
pub enum SubjectKey {
    /// The key.
    Live(Arc<SealingKey>),
    /// A tombstone: whatever was sealed with the key is gone.
    Erased,
}

/// A new key and the row that keeps it, to be put in the transaction of its subject's first commit.
#[derive(Debug)]
pub struct MintedKey {
    /// The key.
    pub key: Arc<SealingKey>,
    /// Its row.
    pub item: HashMap<String, AttributeValue>,
}

/// Why a key cannot be had. None of these means that the person was erased.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The subject has no row: something was lost, or is not there yet.
    #[error("{0} has no data key")]
    Missing(StreamId),
    /// The row does not open with our wrapping key.
    #[error("the data key of {0} does not open")]
    Unopenable(StreamId),
    /// The table does not answer.
    #[error("the key table does not answer: {0}")]
    Unavailable(CallFailed),
    /// The system has no randomness.
    #[error(transparent)]
    Randomness(#[from] NotSealed),
}

impl Keyring {
    /// The keyring of one stage.
    pub fn new(client: Client, names: &Names, wrapping: SealingKey) -> Self {
        let open = Cache::builder().max_capacity(CACHED_KEYS).time_to_live(CACHED_FOR).build();
        Self { client, table: names.table(&KEYS), wrapping: Arc::new(wrapping), open }
    }

    /// The table's physical name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The key of a subject, for who reads the subject's log along with it. It may come from a copy of the table that is
    /// behind, at half the price: a key never changes, and a copy that has none yet is not believed.
    ///
    /// # Errors
    /// [`KeyError`], never for an erased subject.
    pub async fn load(&self, subject: StreamId) -> Result<SubjectKey, KeyError> {
        if let Some((key, _)) = self.open.get(&subject).await {
            return Ok(SubjectKey::Live(key));
        }
        match self.read(subject, false).await {
            Err(KeyError::Missing(_)) => self.load_now(subject).await,
            found => found,
        }
    }

    /// The key of a subject, for who sees nothing else of the subject: an erasure is seen within seconds.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn load_recent(&self, subject: StreamId) -> Result<SubjectKey, KeyError> {
        match self.open.get(&subject).await {
            Some((key, Some(seen))) if seen.elapsed() < RECENT => Ok(SubjectKey::Live(key)),
            _ => self.load_now(subject).await,
        }
    }

    /// As [`Keyring::load`], never from memory or a copy that is behind: an erasure is seen at once.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn load_now(&self, subject: StreamId) -> Result<SubjectKey, KeyError> {
        self.read(subject, true).await
    }

    async fn read(&self, subject: StreamId, consistent: bool) -> Result<SubjectKey, KeyError> {
        let seen = consistent.then(Instant::now);
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("subject", AttributeValue::S(subject.to_string()))
            .consistent_read(consistent)
            .send()
            .await
            .map_err(|error| KeyError::Unavailable(error.into()))?;
        let key = self.in_item(subject, &answer.item.ok_or(KeyError::Missing(subject))?)?;
        match &key {
            SubjectKey::Live(key) => self.open.insert(subject, (Arc::clone(key), seen)).await,
            SubjectKey::Erased => self.forget(subject).await,
        }
        Ok(key)
    }

    /// As [`Keyring::load`] for many subjects, none of which is named twice, in few requests, for who needs each of them only
    /// once: they are not kept. Those that are not found or do not open are left out.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`].
    pub async fn load_many(
        &self,
        subjects: impl IntoIterator<Item = StreamId>,
    ) -> Result<HashMap<StreamId, SubjectKey>, KeyError> {
        let (mut keys, mut closed) = (HashMap::new(), Vec::new());
        for subject in subjects {
            match self.open.get(&subject).await {
                Some((key, _)) => drop(keys.insert(subject, SubjectKey::Live(key))),
                None => closed.push(HashMap::from([("subject".to_owned(), AttributeValue::S(subject.to_string()))])),
            }
        }
        let items = batch::get_all(&self.client, &self.table, &KeysAndAttributes::builder(), &closed).await;
        for item in items.map_err(KeyError::Unavailable)? {
            let subject = item.get("subject").and_then(|subject| subject.as_s().ok()?.parse().ok());
            if let Some((subject, key)) =
                subject.and_then(|subject| Some((subject, self.in_item(subject, &item).ok()?)))
            {
                keys.insert(subject, key);
            }
        }
        Ok(keys)
    }

    /// The key in a subject's row.
    fn in_item(&self, subject: StreamId, item: &HashMap<String, AttributeValue>) -> Result<SubjectKey, KeyError> {
        if item.contains_key(ERASED_AT) {
            return Ok(SubjectKey::Erased);
        }
        let wrapped = item.get("wrapped").and_then(|value| value.as_s().ok());
        wrapped
            .and_then(|wrapped| self.wrapping.open(&context(subject), wrapped).ok())
            .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok())
            .and_then(|bytes| SealingKey::new(bytes).ok())
            .map(|key| SubjectKey::Live(Arc::new(key)))
            .ok_or(KeyError::Unopenable(subject))
    }

    /// Draws a key for a subject that has none yet.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn mint(&self, subject: StreamId) -> Result<MintedKey, KeyError> {
        let key = SealingKey::random()?;
        let wrapped = self.wrapping.seal(&context(subject), key.bytes())?;
        let item = HashMap::from([
            ("subject".to_owned(), AttributeValue::S(subject.to_string())),
            ("wrapped".to_owned(), AttributeValue::S(wrapped)),
        ]);
        Ok(MintedKey { key: Arc::new(key), item })
    }

    /// The item that takes the place of a subject's key for ever.
    pub fn tombstone(subject: StreamId, erased_at: DateTime<Utc>) -> HashMap<String, AttributeValue> {
        HashMap::from([
            ("subject".to_owned(), AttributeValue::S(subject.to_string())),
            (ERASED_AT.to_owned(), AttributeValue::S(timestamp(erased_at))),
        ])
    }

    /// Lets go of the open key of an erased subject.
    pub async fn forget(&self, subject: StreamId) {
        self.open.invalidate(&subject).await;
    }

    /// Keeps a minted key open once its row is durable.
    pub async fn remember(&self, subject: StreamId, key: Arc<SealingKey>) {
        self.open.insert(subject, (key, Some(Instant::now()))).await;
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({})", self.table)
    }
}

fn context(subject: StreamId) -> String {
    format!("data key of {subject}")
}
