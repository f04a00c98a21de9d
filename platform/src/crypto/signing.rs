//! The keys that sign access tokens: at most three at a time, one of which signs.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::SecretsError;

/// How a key signs (RFC 8037 §3.1, RFC 7518 §3.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum SigningAlgorithm {
    /// Ed25519.
    #[default]
    #[serde(rename = "EdDSA")]
    #[value(name = "eddsa")]
    EdDsa,
    /// ECDSA over P-256 with SHA-256, for verifiers that know no Ed25519.
    #[serde(rename = "ES256")]
    #[value(name = "es256")]
    Es256,
}

/// One key pair.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// How it signs. A verifier goes by this and never by what a token says.
    #[zeroize(skip)]
    pub algorithm: SigningAlgorithm,
    /// When it was drawn, and so since when it is published.
    #[zeroize(skip)]
    pub created_at: DateTime<Utc>,
    /// PKCS #8 in base64.
    key: String,
}

/// The keys of an installation. All are published and accepted; only `current` signs.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct SigningKeys {
    /// Since when `current` signs.
    #[zeroize(skip)]
    pub rotated_at: DateTime<Utc>,
    /// Signs after the next rotation. Published now, so that every verifier knows it by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<SigningKey>,
    /// Signs.
    pub current: SigningKey,
    /// Signed before `current`; its tokens go on until they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<SigningKey>,
}

/// What is found: a set, or the one Ed25519 key that there was before there were sets.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    One(String),
    Set(SigningKeys),
}

/// Reads a set, or the one key of before.
pub(super) fn set_or_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SigningKeys, D::Error> {
    Ok(match Stored::deserialize(deserializer)? {
        Stored::Set(set) => set,
        Stored::One(key) => {
            // Nobody noted when it was drawn: long ago.
            let (algorithm, created_at) = (SigningAlgorithm::EdDsa, DateTime::UNIX_EPOCH);
            let current = SigningKey { algorithm, created_at, key };
            SigningKeys { rotated_at: created_at, next: None, current, previous: None }
        }
    })
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn draw(algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Result<Self, SecretsError> {
        let pair = match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).and_then(|pair| pair.to_pkcs8v1())
            }
        };
        let pair = pair.map_err(|_| SecretsError::Randomness)?;
        Ok(Self { algorithm, created_at: now, key: BASE64.encode(pair.as_ref()) })
    }

    /// The key pair (PKCS #8); `None` if it is no base64.
    pub fn pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        BASE64.decode(&self.key).ok().map(Zeroizing::new)
    }
}

impl SigningKeys {
    /// A new set: a key that signs at once, and the next one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn draw(algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Result<Self, SecretsError> {
        let key = || SigningKey::draw(algorithm, now);
        Ok(Self { rotated_at: now, next: Some(key()?), current: key()?, previous: None })
    }

    /// Every key by its place, the one that signs first.
    pub fn by_place(&self) -> impl Iterator<Item = (&'static str, &SigningKey)> {
        let others = [("next", &self.next), ("previous", &self.previous)];
        let others = others.into_iter().filter_map(|(place, key)| Some((place, key.as_ref()?)));
        std::iter::once(("current", &self.current)).chain(others)
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.algorithm, self.created_at)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.by_place()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_key_of_before_there_were_sets_is_read_as_the_one_that_signs() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let set = SigningKeys::draw(SigningAlgorithm::Es256, now).unwrap();
        let read = set_or_one(serde_json::to_value(&set).unwrap()).unwrap();
        assert_eq!(read.current.key, set.current.key);
        assert_eq!((read.current.algorithm, read.rotated_at), (SigningAlgorithm::Es256, now));
        assert!(read.next.is_some() && read.previous.is_none());

        let old = set_or_one(json!(set.current.key)).unwrap();
        assert_eq!(old.current.key, set.current.key);
        assert_eq!(old.current.algorithm, SigningAlgorithm::EdDsa);
        assert!(old.next.is_none() && old.previous.is_none());

        let mut more = serde_json::to_value(&set).unwrap();
        more["another"] = json!(1);
        assert!(set_or_one(more).is_err());
        let shown = format!("{set:?}");
        assert!(!shown.contains(&set.current.key) && shown.contains("ES256"), "{shown}");
    }
}
