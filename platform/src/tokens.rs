//! Access tokens (RFC 9068): how they are signed and how everybody verifies them.

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    ids::{SessionId, UserId},
    stream::Version,
    user::Assignment,
};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::crypto::{Secrets, SecretsError};

/// How long an access token is good for; a user's revoked right stops working much sooner, by table `rights`.
pub const ACCESS_TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// How far the clocks of two instances may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Media type of the token in its header (RFC 9068 §2.1).
const TOKEN_TYPE: &str = "at+jwt";

/// For whom the tokens are.
pub const AUDIENCE: &str = "fieldfuze";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: the public address.
    pub iss: String,
    /// Whose it is.
    pub sub: UserId,
    /// For whom.
    pub aud: String,
    /// The client (RFC 9068 §2.2): there is one, our own.
    pub client_id: String,
    /// Until when, in epoch seconds.
    pub exp: i64,
    /// From when.
    pub nbf: i64,
    /// Since when.
    pub iat: i64,
    /// Its own id.
    pub jti: Uuid,
    /// The session.
    pub sid: SessionId,
    /// The version of the user's stream that was folded when it was signed.
    pub ver: Version,
    /// The user's roles, with scope and end, as they were then.
    pub roles: Vec<Assignment>,
}

/// Signs tokens.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
    kid: String,
}

/// Verifies tokens.
#[derive(Clone)]
pub struct Verifier {
    keys: JwkSet,
    issuer: String,
}

/// Why a token is refused. Told to nobody but the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of ours: form, key, algorithm, signature, issuer or audience.
    #[error("not a token of this issuer")]
    Forged,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It will be good later.
    #[error("the token is not valid yet")]
    NotYet,
}

impl Signer {
    /// The signer of an installation.
    ///
    /// # Errors
    /// When the secrets hold no usable key.
    pub fn new(secrets: &Secrets) -> Result<Self, SecretsError> {
        let (key, jwk) = key_pair(secrets)?;
        Ok(Self { key, kid: jwk.common.key_id.unwrap_or_default() })
    }

    /// Signs a token.
    ///
    /// # Errors
    /// Only if the library cannot sign.
    pub fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key)
    }
}

impl Verifier {
    /// The verifier of an installation, for tokens of `issuer`.
    ///
    /// # Errors
    /// When the secrets hold no usable key.
    pub fn new(secrets: &Secrets, issuer: &str) -> Result<Self, SecretsError> {
        let (_, jwk) = key_pair(secrets)?;
        Ok(Self { keys: JwkSet { keys: vec![jwk] }, issuer: issuer.to_owned() })
    }

    /// The public keys, for everybody.
    pub fn key_set(&self) -> &JwkSet {
        &self.keys
    }

    /// Checks type, key, algorithm, signature, issuer, audience and times of a token. A key named or embedded in the
    /// token itself (`jku`, `x5u`, `jwk`) has no say.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let forged = |_| TokenError::Forged;
        let header = jsonwebtoken::decode_header(token).map_err(forged)?;
        if header.typ.as_deref() != Some(TOKEN_TYPE) || header.alg != Algorithm::EdDSA {
            return Err(TokenError::Forged);
        }
        let jwk = header.kid.as_deref().and_then(|kid| self.keys.find(kid)).ok_or(TokenError::Forged)?;
        let key = DecodingKey::from_jwk(jwk).map_err(forged)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
        // The times are checked below, against the clock that we were given.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims: Claims = jsonwebtoken::decode(token, &key, &rules).map_err(forged)?.claims;
        if now - LEEWAY >= moment(claims.exp)? {
            return Err(TokenError::Expired);
        }
        if now + LEEWAY < moment(claims.nbf)? {
            return Err(TokenError::NotYet);
        }
        Ok(claims)
    }
}

fn moment(seconds: i64) -> Result<DateTime<Utc>, TokenError> {
    DateTime::from_timestamp(seconds, 0).ok_or(TokenError::Forged)
}

fn key_pair(secrets: &Secrets) -> Result<(EncodingKey, Jwk), SecretsError> {
    let malformed = |_| SecretsError::Malformed(Secrets::FILE.into());
    let key = EncodingKey::from_ed_der(&secrets.signing()?);
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(malformed)?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).map_err(malformed)?);
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok((key, jwk))
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.kid)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({})", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use events::ids::derive;

    use super::*;

    struct World {
        signer: Signer,
        verifier: Verifier,
        now: DateTime<Utc>,
    }

    fn world() -> World {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::load_or_create(dir.path()).unwrap();
        World {
            signer: Signer::new(&secrets).unwrap(),
            verifier: Verifier::new(&secrets, "https://api.example").unwrap(),
            now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        }
    }

    fn claims(now: DateTime<Utc>) -> Claims {
        Claims {
            iss: "https://api.example".to_owned(),
            sub: UserId(derive(&["ada"])),
            aud: AUDIENCE.to_owned(),
            client_id: AUDIENCE.to_owned(),
            exp: (now + ACCESS_TOKEN_LIFETIME).timestamp(),
            nbf: now.timestamp(),
            iat: now.timestamp(),
            jti: derive(&["token"]),
            sid: SessionId(derive(&["session"])),
            ver: Version(3),
            roles: Vec::new(),
        }
    }

    #[test]
    fn a_signed_token_verifies_within_its_times_only() {
        let World { signer, verifier, now } = world();
        let token = signer.sign(&claims(now)).unwrap();
        assert_eq!(verifier.verify(&token, now), Ok(claims(now)));
        let end = now + ACCESS_TOKEN_LIFETIME + LEEWAY;
        assert_eq!(verifier.verify(&token, end), Err(TokenError::Expired));
        assert_eq!(verifier.verify(&token, now - TimeDelta::seconds(6)), Err(TokenError::NotYet));
    }

    #[test]
    fn another_issuer_audience_key_or_type_is_forged() {
        let World { signer, verifier, now } = world();
        let refuse = |token: &str| assert_eq!(verifier.verify(token, now), Err(TokenError::Forged));
        refuse(&signer.sign(&Claims { iss: "https://evil.example".to_owned(), ..claims(now) }).unwrap());
        refuse(&signer.sign(&Claims { aud: "other".to_owned(), ..claims(now) }).unwrap());
        refuse(&world().signer.sign(&claims(now)).unwrap());
        let mut token = signer.sign(&claims(now)).unwrap();
        token.truncate(token.len() - 4);
        refuse(&token);
        let mut plain = Header::new(Algorithm::EdDSA);
        plain.kid = Some(signer.kid.clone());
        refuse(&jsonwebtoken::encode(&plain, &claims(now), &signer.key).unwrap());
        let symmetric = Header { kid: Some(signer.kid.clone()), typ: Some(TOKEN_TYPE.to_owned()), ..Header::default() };
        refuse(&jsonwebtoken::encode(&symmetric, &claims(now), &EncodingKey::from_secret(b"x")).unwrap());
    }
}
