//! A set of keys, ready to sign and to verify.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};

use crate::crypto::{Secrets, SecretsError, SigningAlgorithm, SigningKey, SigningKeys};

/// The keys as they are used.
pub(super) struct KeySet {
    signing: Signing,
    good: Vec<Good>,
    public: JwkSet,
}

/// The key that signs.
pub(super) struct Signing {
    pub kid: String,
    pub algorithm: Algorithm,
    pub key: EncodingKey,
}

/// A key whose signatures are good, with the one algorithm that it may be used with.
pub(super) struct Good {
    kid: String,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

/// A key's name: its thumbprint (RFC 7638, SHA-256).
///
/// # Errors
/// [`SecretsError::Malformed`] when it is no key of its algorithm.
pub fn kid(key: &SigningKey) -> Result<String, SecretsError> {
    Ok(open(key)?.0.kid)
}

impl KeySet {
    /// # Errors
    /// [`SecretsError::Malformed`] when one of them is no key of its algorithm.
    pub(super) fn new(keys: &SigningKeys) -> Result<Self, SecretsError> {
        let (signing, first) = open(&keys.current)?;
        let mut public = JwkSet { keys: vec![first] };
        for (_, key) in keys.by_place().skip(1) {
            public.keys.push(open(key)?.1);
        }
        let mut good = Vec::new();
        for ((_, key), jwk) in keys.by_place().zip(&public.keys) {
            let kid = jwk.common.key_id.clone().unwrap_or_default();
            let verifies = DecodingKey::from_jwk(jwk).map_err(malformed)?;
            good.push(Good { kid, algorithm: algorithm(key.algorithm), key: verifies });
        }
        Ok(Self { signing, good, public })
    }

    /// The key that signs.
    pub(super) fn signing(&self) -> &Signing {
        &self.signing
    }

    /// The key of this name.
    pub(super) fn find(&self, kid: &str) -> Option<&Good> {
        self.good.iter().find(|key| key.kid == kid)
    }

    /// The public keys.
    pub(super) fn public(&self) -> &JwkSet {
        &self.public
    }
}

fn open(key: &SigningKey) -> Result<(Signing, Jwk), SecretsError> {
    let pkcs8 = key.pkcs8().ok_or_else(|| SecretsError::Malformed(Secrets::FILE.into()))?;
    let algorithm = algorithm(key.algorithm);
    let key = match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_der(&pkcs8),
        _ => EncodingKey::from_ed_der(&pkcs8),
    };
    let mut jwk = Jwk::from_encoding_key(&key, algorithm).map_err(malformed)?;
    let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(malformed)?;
    jwk.common.key_id = Some(kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok((Signing { kid, algorithm, key }, jwk))
}

fn algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Es256 => Algorithm::ES256,
    }
}

fn malformed(_: jsonwebtoken::errors::Error) -> SecretsError {
    SecretsError::Malformed(Secrets::FILE.into())
}
