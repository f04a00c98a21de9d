//! The signature of a webhook: Ed25519 over `timestamp|raw body`, fresh within five minutes.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    error::{KeyRejected, Unspecified},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};

/// Header with the signature: 64 bytes in base64.
pub const SIGNATURE_HEADER: &str = "telnyx-signature-ed25519";

/// Header with the moment of signing: decimal seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "telnyx-timestamp";

/// How far the moment of signing may be from now, in either direction. The vendor's own libraries allow as much.
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Bytes of an Ed25519 public key.
const PUBLIC_KEY_BYTES: usize = 32;

/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// Digits of a timestamp: those of today's seconds are 10; more than 12 is no moment that we could ever meet.
const TIMESTAMP_DIGITS: usize = 12;

/// Keys at a time: the one in use and, while Telnyx rotates it, the one to come.
const LIVE_KEYS: usize = 2;

/// Why a webhook or a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A public key is not base64 of 32 bytes.
    #[error("a Telnyx public key is base64 of 32 bytes")]
    BadKey,
    /// None, or more than two public keys.
    #[error("one or two Telnyx public keys are needed")]
    KeyCount,
    /// The timestamp is not plain decimal seconds.
    #[error("the webhook's timestamp is not decimal seconds")]
    BadTimestamp,
    /// The timestamp is too far from now.
    #[error("the webhook was signed more than five minutes away from now")]
    Stale,
    /// The signature is not base64 of 64 bytes.
    #[error("the webhook's signature is not base64 of 64 bytes")]
    BadSignature,
    /// No live key made this signature over this timestamp and body.
    #[error("the webhook's signature is wrong")]
    Wrong,
}

/// The account's live public keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeys(Vec<[u8; PUBLIC_KEY_BYTES]>);

impl PublicKeys {
    /// Keys from their base64 forms, as the Telnyx portal shows them.
    ///
    /// # Errors
    /// [`SignatureError::BadKey`] or [`SignatureError::KeyCount`].
    pub fn parse<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self, SignatureError> {
        let keys = keys
            .into_iter()
            .map(|key| {
                let bytes = STANDARD.decode(key.trim()).map_err(|_| SignatureError::BadKey)?;
                bytes.try_into().map_err(|_| SignatureError::BadKey)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.len() > LIVE_KEYS {
            return Err(SignatureError::KeyCount);
        }
        Ok(Self(keys))
    }

    /// Checks a webhook by its two headers and its body as it came, before anything in it is read.
    ///
    /// Gives the moment of signing. Within [`TOLERANCE`] the same webhook passes again: whoever acts on it drops
    /// repeats by the event's id.
    ///
    /// # Errors
    /// Every variant but the two about keys.
    pub fn verify(
        &self,
        signature: &str,
        timestamp: &str,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, SignatureError> {
        let signed_at = moment(timestamp)?;
        if (now - signed_at).abs() > TOLERANCE {
            return Err(SignatureError::Stale);
        }
        let signature = STANDARD.decode(signature).map_err(|_| SignatureError::BadSignature)?;
        if signature.len() != SIGNATURE_BYTES {
            return Err(SignatureError::BadSignature);
        }
        let message = message(timestamp, body);
        let made_by = |key: &[u8; PUBLIC_KEY_BYTES]| {
            let key = UnparsedPublicKey::new(&ED25519, key);
            key.verify(&message, &signature).is_ok()
        };
        if self.0.iter().any(made_by) { Ok(signed_at) } else { Err(SignatureError::Wrong) }
    }
}

/// Signs webhooks as Telnyx does: for the local stand-in and for tests.
#[derive(Debug)]
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn generate() -> Result<Self, Unspecified> {
        Ed25519KeyPair::generate().map(Self)
    }

    /// A key from the form that [`Self::to_pkcs8`] gives.
    ///
    /// # Errors
    /// The bytes are no such key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyRejected> {
        Ed25519KeyPair::from_pkcs8(der).map(Self)
    }

    /// The key in PKCS #8 form (DER). It is secret.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, Unspecified> {
        let der: Pkcs8V1Der<'_> = self.0.as_der()?;
        Ok(der.as_ref().to_vec())
    }

    /// The public half, as [`PublicKeys::parse`] takes it.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    /// The two headers' values, signature and timestamp, of a body that is sent at `now`.
    pub fn sign(&self, body: &[u8], now: DateTime<Utc>) -> (String, String) {
        let timestamp = now.timestamp().to_string();
        let signature = self.0.sign(&message(&timestamp, body));
        (STANDARD.encode(signature.as_ref()), timestamp)
    }
}

/// What is signed.
fn message(timestamp: &str, body: &[u8]) -> Vec<u8> {
    [timestamp.as_bytes(), b"|", body].concat()
}

/// Strict: digits only, where `str::parse` would also take a sign.
fn moment(timestamp: &str) -> Result<DateTime<Utc>, SignatureError> {
    if timestamp.len() > TIMESTAMP_DIGITS || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SignatureError::BadTimestamp);
    }
    let seconds = timestamp.parse().map_err(|_| SignatureError::BadTimestamp)?;
    DateTime::from_timestamp(seconds, 0).ok_or(SignatureError::BadTimestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"data":{"id":"1"}}"#;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).unwrap()
    }

    fn keys(of: &[&SigningKey]) -> PublicKeys {
        let keys: Vec<_> = of.iter().map(|key| key.public_key()).collect();
        PublicKeys::parse(keys.iter().map(String::as_str)).unwrap()
    }

    #[test]
    fn what_was_signed_passes_with_either_live_key() {
        let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let live = keys(&[&old, &new]);
        for key in [&old, &new] {
            let (signature, timestamp) = key.sign(BODY, now());
            assert_eq!(live.verify(&signature, &timestamp, BODY, now()), Ok(now()));
        }
    }

    #[test]
    fn a_key_survives_being_written_down() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        let (signature, timestamp) = again.sign(BODY, now());
        assert!(keys(&[&key]).verify(&signature, &timestamp, BODY, now()).is_ok());
    }

    /// Made with OpenSSL: the check agrees with the standard, not only with our own signing.
    #[test]
    fn a_signature_made_elsewhere_passes() {
        let keys = PublicKeys::parse(["Y7lfPdObXAlifivxh1fkRGyVV/aK81KWA9Jxc1IwYMA="]).unwrap();
        let signature = "/SlFgBtCU6gCLOSioKlTffXPfZ2nVGvRDYJsq800tPWLDQU8g18Q8apjCI/ruPnYfYrvitkjtrdDmaPaL1kPDQ==";
        assert_eq!(keys.verify(signature, "1767225600", BODY, now()), Ok(now()));
    }

    #[test]
    fn a_wrong_key_a_changed_body_and_another_time_are_refused() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let (signature, timestamp) = key.sign(BODY, now());
        let live = keys(&[&key]);
        let wrong = Err(SignatureError::Wrong);
        assert_eq!(keys(&[&other]).verify(&signature, &timestamp, BODY, now()), wrong);
        assert_eq!(live.verify(&signature, &timestamp, b"{}", now()), wrong);
        assert_eq!(live.verify(&signature, "1767225601", BODY, now()), wrong);
        // The same moment, written otherwise, was not signed.
        assert_eq!(live.verify(&signature, "01767225600", BODY, now()), wrong);
    }

    #[test]
    fn five_minutes_are_fresh_and_a_second_more_is_stale() {
        let key = SigningKey::generate().unwrap();
        let (signature, timestamp) = key.sign(BODY, now());
        let live = keys(&[&key]);
        for (away, fresh) in [(300, true), (-300, true), (301, false), (-301, false)] {
            let result = live.verify(&signature, &timestamp, BODY, now() + TimeDelta::seconds(away));
            assert_eq!(result.is_ok(), fresh, "{away} s away");
        }
    }

    #[test]
    fn only_plain_digits_are_a_timestamp() {
        let key = SigningKey::generate().unwrap();
        let live = keys(&[&key]);
        for timestamp in ["", "123abc", "+1767225600", "-1", " 1767225600", "1767225600.0", "9999999999999"] {
            let signature = key.0.sign(&message(timestamp, BODY));
            let signature = STANDARD.encode(signature.as_ref());
            assert_eq!(
                live.verify(&signature, timestamp, BODY, now()),
                Err(SignatureError::BadTimestamp),
                "{timestamp:?}"
            );
        }
    }

    #[test]
    fn malformed_signatures_and_keys_are_refused() {
        let key = SigningKey::generate().unwrap();
        let live = keys(&[&key]);
        for signature in ["", "!", "AAAA"] {
            let result = live.verify(signature, "1767225600", BODY, now());
            assert_eq!(result, Err(SignatureError::BadSignature), "{signature:?}");
        }
        let good = key.public_key();
        assert_eq!(PublicKeys::parse(["AAAA"]), Err(SignatureError::BadKey));
        assert_eq!(PublicKeys::parse([]), Err(SignatureError::KeyCount));
        assert_eq!(PublicKeys::parse([good.as_str(); 3]), Err(SignatureError::KeyCount));
    }
}
