//! Where the secrets lie, a file or AWS Secrets Manager: reading them, and replacing the keys that sign.

use std::{
    fs::{File, TryLockError},
    path::PathBuf,
    time::Duration,
};

use aws_sdk_secretsmanager::{Client, operation::put_secret_value::PutSecretValueError};
use chrono::{DateTime, Utc};
use events::ids::derive;
use zeroize::Zeroizing;

use super::{Secrets, SecretsError, SigningKeys};
use crate::{aws::Aws, settings::Settings};

/// How often a running service reads the file again. It costs nothing, and so a rotation is seen while one watches.
const FILE_EVERY: Duration = Duration::from_secs(5);

/// How often a running service reads the secret again: short enough to end a stolen key soon, long enough to cost each
/// service less than a quarter dollar a month (0.05 dollars for 10,000 calls).
const MANAGER_EVERY: Duration = Duration::from_mins(1);

/// How long one reading takes at the most: a call of AWS with all its tries, and some.
const READ_TAKES: Duration = Duration::from_secs(10);

/// Held while the file is replaced, so that of two operators at once the second is refused.
const LOCK: &str = "secrets.lock";

/// Where the secrets lie.
#[derive(Debug, Clone)]
pub struct SecretsSource(Place);

#[derive(Debug, Clone)]
enum Place {
    /// The data directory.
    File(PathBuf),
    Manager {
        client: Client,
        id: String,
    },
}

/// Secrets that are about to be replaced.
#[derive(Debug)]
pub struct Held {
    secrets: Secrets,
    by: By,
}

/// What shows that nobody else has replaced them meanwhile.
#[derive(Debug)]
enum By {
    Lock { path: PathBuf, _lock: File },
    Version { client: Client, id: String, version: String },
}

impl SecretsSource {
    /// What the settings say.
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        Self(match settings.secrets_id.clone().filter(|id| !id.is_empty()) {
            Some(id) => Place::Manager { client: aws.secrets.clone(), id },
            None => Place::File(settings.data_dir.clone()),
        })
    }

    /// How often a running service reads them again.
    pub fn read_every(&self) -> Duration {
        match self.0 {
            Place::File(_) => FILE_EVERY,
            Place::Manager { .. } => MANAGER_EVERY,
        }
    }

    /// Within what time every running service that can read them has taken up a change.
    pub fn seen_within(&self) -> Duration {
        self.read_every() + READ_TAKES
    }

    /// Reads the secrets.
    ///
    /// # Errors
    /// When they are missing, unreadable or malformed. A service never makes up keys of its own.
    pub async fn load(&self) -> Result<Secrets, SecretsError> {
        match &self.0 {
            Place::File(data_dir) => {
                let path = data_dir.join(Secrets::FILE);
                let text = tokio::fs::read(&path).await;
                let text = text.map_err(|source| SecretsError::File { path: path.clone(), source })?;
                Secrets::parse(&Zeroizing::new(text), &path)
            }
            Place::Manager { client, id } => get(client, id).await.map(|(secrets, _)| secrets),
        }
    }

    /// Draws the first secrets of an installation into the secret, which holds anything but keys. Their wrapping key is
    /// wrapped by `kms_key`.
    ///
    /// # Errors
    /// [`SecretsError::Exists`] when it holds keys. In a file there is nothing to do: the local world does it itself, so
    /// that is [`SecretsError::Exists`] as well.
    pub async fn create(
        &self,
        kms: &aws_sdk_kms::Client,
        kms_key: &str,
        now: DateTime<Utc>,
    ) -> Result<(), SecretsError> {
        let (client, id) = match &self.0 {
            Place::File(data_dir) => {
                return Err(SecretsError::Exists(data_dir.join(Secrets::FILE).display().to_string()));
            }
            Place::Manager { client, id } => (client, id),
        };
        let (text, version) = current(client, id).await?;
        if Secrets::parse(&text, id.as_ref()).is_ok() {
            return Err(SecretsError::Exists(id.clone()));
        }
        put(client, id.clone(), &version, &Secrets::draw_wrapped(kms, kms_key, now).await?).await
    }

    /// Reads the secrets to replace them.
    ///
    /// # Errors
    /// As [`SecretsSource::load`]; [`SecretsError::Contended`] while somebody else holds the file.
    pub async fn hold(&self) -> Result<Held, SecretsError> {
        match &self.0 {
            Place::File(data_dir) => {
                let path = data_dir.join(LOCK);
                let failed = |source| SecretsError::File { path: path.clone(), source };
                // Before there is a lock there must be something to hold.
                self.load().await?;
                let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
                lock.try_lock().map_err(|error| match error {
                    TryLockError::WouldBlock => SecretsError::Contended,
                    TryLockError::Error(source) => failed(source),
                })?;
                let by = By::Lock { path: data_dir.join(Secrets::FILE), _lock: lock };
                Ok(Held { secrets: self.load().await?, by })
            }
            Place::Manager { client, id } => {
                let (secrets, version) = get(client, id).await?;
                Ok(Held { secrets, by: By::Version { client: client.clone(), id: id.clone(), version } })
            }
        }
    }
}

impl Held {
    /// The secrets as they are.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Replaces the keys of access tokens, and nothing else: all or not at all.
    ///
    /// # Errors
    /// When they cannot be written; [`SecretsError::Contended`] when somebody else has replaced them since they were
    /// read.
    pub async fn replace_signing(self, signing: SigningKeys) -> Result<(), SecretsError> {
        let secrets = self.secrets.with_signing(signing);
        match self.by {
            By::Lock { path, _lock } => secrets.keep(&path),
            By::Version { client, id, version } => put(&client, id, &version, &secrets).await,
        }
    }
}

/// The current version of a secret, and its name.
async fn get(client: &Client, id: &str) -> Result<(Secrets, String), SecretsError> {
    let (text, version) = current(client, id).await?;
    Ok((Secrets::parse(&text, id.as_ref())?, version))
}

/// The text of the current version of a secret, and its name.
async fn current(client: &Client, id: &str) -> Result<(Zeroizing<Vec<u8>>, String), SecretsError> {
    let malformed = || SecretsError::Malformed(PathBuf::from(id));
    let answer = client.get_secret_value().secret_id(id).send().await;
    let answer = answer.map_err(|error| SecretsError::Manager { id: id.to_owned(), source: error.into() })?;
    let text = answer.secret_string.ok_or_else(malformed)?.into_bytes();
    Ok((Zeroizing::new(text), answer.version_id.ok_or_else(malformed)?))
}

/// Writes the version that follows `version`. Its name is derived from that one's: Secrets Manager takes a repeat of
/// the same call, and refuses another text under a name that is taken, and so the second of two operators.
async fn put(client: &Client, id: String, version: &str, secrets: &Secrets) -> Result<(), SecretsError> {
    let text = secrets.text(id.as_ref())?;
    let text = str::from_utf8(&text).map_err(|_| SecretsError::Malformed(PathBuf::from(&id)))?;
    let name = derive(&["secrets", version]).to_string();
    let put = client.put_secret_value().secret_id(&id).client_request_token(name).secret_string(text);
    put.send().await.map(drop).map_err(|error| {
        if error.as_service_error().is_some_and(PutSecretValueError::is_resource_exists_exception) {
            return SecretsError::Contended;
        }
        SecretsError::Manager { id, source: error.into() }
    })
}
