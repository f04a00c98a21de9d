use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{SigningAlgorithm, SigningKey, SigningKeys, signing};

/// The keys of one installation. Losing `wrapping` loses every person's data; leaking `signing` lets anybody sign in.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Wraps the subjects' data keys: 32 bytes in base64, or `kms:` and what KMS made of them.
    wrapping: String,
    /// Makes claim keys out of unique values.
    claims: String,
    /// Makes idempotency digests.
    digests: String,
    /// Seals cursors (32 bytes, base64).
    cursors: String,
    /// Makes refresh tokens.
    refresh: String,
    /// Sign access tokens.
    #[serde(deserialize_with = "signing::set_or_one")]
    signing: SigningKeys,
    /// Signs the log's checkpoints (Ed25519, PKCS #8, base64). Its own, so that who may issue tokens cannot vouch for the log.
    #[serde(default)]
    checkpoints: String,
}

/// Stands before a key that KMS has to open.
const KMS: &str = "kms:";

/// Why the secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read or written.
    #[error("cannot use the secrets file {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its text is not what we write. What stands in it is not told.
    #[error("the secrets in {0} are not well-formed")]
    Malformed(PathBuf),
    /// Secrets Manager does not give or take the secret.
    #[error("Secrets Manager does not answer for the secret {id}")]
    Manager {
        /// Which secret.
        id: String,
        /// Why.
        #[source]
        source: crate::aws::CallFailed,
    },
    /// Somebody else has changed the secrets since they were read, or is about to.
    #[error("somebody else changes the secrets at the same time: look at them and try again")]
    Contended,
    /// There are secrets already, and new ones would open nothing of what is there.
    #[error("the secret {0} holds keys already: new ones would open nothing of what was written")]
    Exists(String),
    /// KMS does not open or wrap the wrapping key.
    #[error("KMS does not open or wrap the wrapping key")]
    Kms(#[source] crate::aws::CallFailed),
    /// The system has no randomness.
    #[error("cannot draw random numbers")]
    Randomness,
}

impl Secrets {
    /// The file's name in the data directory.
    pub const FILE: &'static str = "secrets.json";

    /// Reads the secrets of a data directory.
    ///
    /// # Errors
    /// When the file is missing, unreadable or malformed. A service never makes up keys of its own.
    pub fn load(data_dir: &Path) -> Result<Self, SecretsError> {
        let path = data_dir.join(Self::FILE);
        let text = std::fs::read(&path).map_err(|source| SecretsError::File { path: path.clone(), source })?;
        Self::parse(&Zeroizing::new(text), &path)
    }

    /// Reads the text of secrets that were found in `place`.
    pub(super) fn parse(text: &[u8], place: &Path) -> Result<Self, SecretsError> {
        serde_json::from_slice(text).map_err(|_| SecretsError::Malformed(place.to_owned()))
    }

    /// The text that [`Secrets::parse`] reads.
    pub(super) fn text(&self, place: &Path) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        let text = serde_json::to_vec_pretty(self).map_err(|_| SecretsError::Malformed(place.to_owned()))?;
        Ok(Zeroizing::new(text))
    }

    /// Reads the secrets, or draws and keeps new ones (mode 0600) at the very first start of a local world.
    ///
    /// # Errors
    /// As [`Secrets::load`].
    pub fn load_or_create(data_dir: &Path, now: DateTime<Utc>) -> Result<Self, SecretsError> {
        let path = data_dir.join(Self::FILE);
        let secrets = if path.exists() {
            let mut secrets = Self::load(data_dir)?;
            if !secrets.checkpoints.is_empty() && secrets.signing.next.is_some() {
                return Ok(secrets);
            }
            // Written before there were checkpoints, or more than one key that signs.
            if secrets.checkpoints.is_empty() {
                secrets.checkpoints = Self::key_pair()?;
            }
            if secrets.signing.next.is_none() {
                secrets.signing.next = Some(SigningKey::draw(secrets.signing.current.algorithm, now)?);
            }
            secrets
        } else {
            Self::draw(now)?
        };
        secrets.keep(&path)?;
        Ok(secrets)
    }

    /// Replaces the file at once and for good: whoever reads it sees all of the old or all of the new.
    pub(super) fn keep(&self, path: &Path) -> Result<(), SecretsError> {
        let text = self.text(path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let partial = path.with_extension("partial");
        let write = || {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&partial, path)?;
            std::fs::File::open(directory)?.sync_all()
        };
        write().map_err(|source| SecretsError::File { path: path.to_owned(), source })
    }

    fn draw(now: DateTime<Utc>) -> Result<Self, SecretsError> {
        let random = || {
            let mut bytes = [0; 32];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SecretsError::Randomness)?;
            Ok(BASE64.encode(bytes))
        };
        Ok(Self {
            wrapping: random()?,
            claims: random()?,
            digests: random()?,
            cursors: random()?,
            refresh: random()?,
            signing: SigningKeys::draw(SigningAlgorithm::default(), now)?,
            checkpoints: Self::key_pair()?,
        })
    }

    /// New secrets whose wrapping key only `key` in KMS opens.
    ///
    /// # Errors
    /// [`SecretsError::Kms`], or the system has no randomness.
    pub(super) async fn draw_wrapped(
        kms: &aws_sdk_kms::Client,
        key: &str,
        now: DateTime<Utc>,
    ) -> Result<Self, SecretsError> {
        let mut secrets = Self::draw(now)?;
        let plain = aws_sdk_kms::primitives::Blob::new(Self::bytes(&secrets.wrapping)?);
        let answer = kms.encrypt().key_id(key).plaintext(plain).send().await;
        let wrapped = answer.map_err(|error| SecretsError::Kms(error.into()))?.ciphertext_blob;
        let malformed = || SecretsError::Malformed(PathBuf::from(Self::FILE));
        secrets.wrapping.zeroize();
        secrets.wrapping = format!("{KMS}{}", BASE64.encode(wrapped.ok_or_else(malformed)?));
        Ok(secrets)
    }

    /// A new key pair for Ed25519.
    fn key_pair() -> Result<String, SecretsError> {
        let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
        Ok(BASE64.encode(pair.map_err(|_| SecretsError::Randomness)?.as_ref()))
    }

    fn bytes(text: &str) -> Result<Vec<u8>, SecretsError> {
        BASE64.decode(text).map_err(|_| SecretsError::Malformed(PathBuf::from(Self::FILE)))
    }

    fn sealing(text: &str) -> Result<super::SealingKey, SecretsError> {
        let malformed = || SecretsError::Malformed(PathBuf::from(Self::FILE));
        let bytes: [u8; 32] = Self::bytes(text)?.try_into().map_err(|_| malformed())?;
        super::SealingKey::new(bytes).map_err(|_| malformed())
    }

    /// The key that wraps the subjects' data keys. If it is wrapped itself, this is the process's one call of KMS.
    ///
    /// # Errors
    /// [`SecretsError`]; a KMS that does not answer is [`SecretsError::Kms`], and the process has to be started again.
    pub async fn wrapping(&self, kms: &aws_sdk_kms::Client) -> Result<super::SealingKey, SecretsError> {
        let Some(wrapped) = self.wrapping.strip_prefix(KMS) else { return Self::sealing(&self.wrapping) };
        let blob = aws_sdk_kms::primitives::Blob::new(Self::bytes(wrapped)?);
        let answer = kms.decrypt().ciphertext_blob(blob).send().await;
        let answer = answer.map_err(|error| SecretsError::Kms(error.into()))?;
        let malformed = || SecretsError::Malformed(PathBuf::from(Self::FILE));
        let plain = Zeroizing::new(answer.plaintext.ok_or_else(malformed)?.into_inner());
        let bytes = <[u8; 32]>::try_from(plain.as_slice()).map_err(|_| malformed())?;
        super::SealingKey::new(bytes).map_err(|_| malformed())
    }

    /// The key that makes claim keys.
    pub fn claims(&self) -> Result<super::MacKey, SecretsError> {
        Ok(super::MacKey::new(&Self::bytes(&self.claims)?))
    }

    /// The key that makes idempotency digests.
    pub fn digests(&self) -> Result<super::MacKey, SecretsError> {
        Ok(super::MacKey::new(&Self::bytes(&self.digests)?))
    }

    /// The key that seals cursors.
    pub fn cursors(&self) -> Result<super::SealingKey, SecretsError> {
        Self::sealing(&self.cursors)
    }

    /// The key that makes refresh tokens.
    pub fn refresh(&self) -> Result<super::MacKey, SecretsError> {
        Ok(super::MacKey::new(&Self::bytes(&self.refresh)?))
    }

    /// The key pair of checkpoints.
    pub fn checkpoints(&self) -> Result<Ed25519KeyPair, SecretsError> {
        let malformed = |_| SecretsError::Malformed(PathBuf::from(Self::FILE));
        Ed25519KeyPair::from_pkcs8(&Self::bytes(&self.checkpoints)?).map_err(malformed)
    }

    /// The keys of access tokens.
    pub fn signing(&self) -> &SigningKeys {
        &self.signing
    }

    /// These secrets with other keys of access tokens.
    pub(super) fn with_signing(mut self, signing: SigningKeys) -> Self {
        self.signing = signing;
        self
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::{Map, Value};

    use super::*;

    fn file(directory: &Path) -> Map<String, Value> {
        serde_json::from_slice(&std::fs::read(directory.join(Secrets::FILE)).unwrap()).unwrap()
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn a_file_of_an_older_build_still_loads_and_is_completed() {
        let directory = tempfile::tempdir().unwrap();
        Secrets::load_or_create(directory.path(), now()).unwrap();
        let mut old = file(directory.path());
        old.remove("checkpoints").unwrap();
        // There was one key, and nothing was said of it.
        let signing = old["signing"]["current"]["key"].clone();
        old.insert("signing".to_owned(), signing.clone());
        std::fs::write(directory.path().join(Secrets::FILE), serde_json::to_vec(&old).unwrap()).unwrap();

        // A service takes it as it is.
        let loaded = Secrets::load(directory.path()).unwrap();
        assert!(matches!(loaded.checkpoints(), Err(SecretsError::Malformed(_))));
        assert!(loaded.signing().next.is_none());
        assert_eq!(file(directory.path()), old);

        Secrets::load_or_create(directory.path(), now()).unwrap().checkpoints().unwrap();
        let mut completed = file(directory.path());
        assert_ne!(completed.remove("checkpoints").unwrap(), signing);
        let keys = completed.insert("signing".to_owned(), signing.clone()).unwrap();
        assert_eq!(completed, old);
        assert_eq!(keys["current"]["key"], signing);
        assert_ne!(keys["next"]["key"], signing);
        let mode = std::fs::metadata(directory.path().join(Secrets::FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let kept = Secrets::load_or_create(directory.path(), now()).unwrap();
        assert_eq!(kept.checkpoints, file(directory.path())["checkpoints"]);
        assert_eq!(file(directory.path())["signing"], keys);
    }
}
