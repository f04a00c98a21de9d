use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use zeroize::Zeroizing;

/// A key for AES-256-GCM with a random nonce for each text.
///
/// Random 96-bit nonces are safe for 2^32 texts under one key (NIST SP 800-38D §8.3); a subject's key seals a few
/// texts per commit.
pub struct SealingKey {
    bytes: Zeroizing<[u8; 32]>,
    key: RandomizedNonceKey,
}

/// The text was not sealed with this key for this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed text does not open")]
pub struct NotSealed;

impl SealingKey {
    /// A key from its bytes.
    ///
    /// # Errors
    /// Only if the library refuses AES-256, which it does not.
    pub fn new(bytes: [u8; 32]) -> Result<Self, NotSealed> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| NotSealed)?;
        Ok(Self { bytes: Zeroizing::new(bytes), key })
    }

    /// A new random key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn random() -> Result<Self, NotSealed> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NotSealed)?;
        Self::new(bytes)
    }

    /// Seals a text for one place (`context`): moved elsewhere it does not open. Base64 of nonce, ciphertext and tag.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String, NotSealed> {
        let mut body = plain.to_vec();
        let nonce =
            self.key.seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut body).map_err(|_| NotSealed)?;
        let sealed = [nonce.as_ref().as_slice(), &body].concat();
        Ok(BASE64.encode(sealed))
    }

    /// Opens what [`SealingKey::seal`] made for the same place.
    ///
    /// # Errors
    /// [`NotSealed`] when it was made with another key, for another place, or changed since.
    pub fn open(&self, context: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, NotSealed> {
        let bytes = BASE64.decode(sealed).map_err(|_| NotSealed)?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN).ok_or(NotSealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotSealed)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length =
            self.key.open_in_place(nonce, Aad::from(context.as_bytes()), &mut body).map_err(|_| NotSealed)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// The key's bytes, to be wrapped.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_in_its_place_with_its_key_unchanged() {
        let key = SealingKey::random().unwrap();
        let sealed = key.seal("here", b"secret").unwrap();
        assert_eq!(key.open("here", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(key.open("there", &sealed), Err(NotSealed));
        assert_eq!(SealingKey::random().unwrap().open("here", &sealed), Err(NotSealed));
        let mut changed = sealed.clone().into_bytes();
        changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
        assert_eq!(key.open("here", &String::from_utf8(changed).unwrap()), Err(NotSealed));
        assert_ne!(key.seal("here", b"secret").unwrap(), sealed);
    }
}
