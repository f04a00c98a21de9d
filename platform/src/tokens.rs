//! Access tokens (RFC 9068): how they are signed and how everybody verifies them.

mod key_set;
mod live;
mod rotation;

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    ids::{SessionId, UserId},
    stream::Version,
    user::Assignment,
};
use jsonwebtoken::{Header, Validation, jwk::JwkSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{
    key_set::kid,
    live::TokenKeys,
    rotation::{PUBLISHED_FIRST, Rotated, RotationRefused, TOKENS_ENDED_AFTER, may_rotate_from, replace_all, rotate},
};

/// How long an access token is good for; a user's revoked right stops working much sooner, by table `rights`.
pub const ACCESS_TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// How far the clocks of two instances may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// How long another service may keep our public keys: seldom enough to cost nothing, and short enough for a key that
/// was dropped in an emergency.
pub const KEY_SET_MAX_AGE: TimeDelta = TimeDelta::minutes(5);

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
    /// When the user last showed who they are (RFC 9068 §2.2.1): the beginning of the session.
    #[serde(default)]
    pub auth_time: i64,
    /// Its own id.
    pub jti: Uuid,
    /// The session.
    pub sid: SessionId,
    /// The version of the user's stream that was folded when it was signed.
    pub ver: Version,
    /// The user's roles, with scope and end, as they were then.
    pub roles: Vec<Assignment>,
}

/// Signs tokens, with the key that signs at that moment.
#[derive(Debug, Clone)]
pub struct Signer {
    keys: TokenKeys,
}

/// Verifies tokens, with the keys that are good at that moment.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: TokenKeys,
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
    pub fn new(keys: TokenKeys) -> Self {
        Self { keys }
    }

    /// Signs a token.
    ///
    /// # Errors
    /// Only if the library cannot sign.
    pub fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let keys = self.keys.present();
        let signing = keys.signing();
        let mut header = Header::new(signing.algorithm);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(signing.kid.clone());
        jsonwebtoken::encode(&header, claims, &signing.key)
    }
}

impl Verifier {
    /// The verifier of an installation, for tokens of `issuer`.
    pub fn new(keys: TokenKeys, issuer: &str) -> Self {
        Self { keys, issuer: issuer.to_owned() }
    }

    /// Whose tokens it takes.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public keys, for everybody.
    pub fn key_set(&self) -> JwkSet {
        self.keys.present().public().clone()
    }

    /// Checks type, key, algorithm, signature, issuer, audience and times of a token. The algorithm is the key's own
    /// (RFC 8725 §3.1); a key named or embedded in the token itself (`jku`, `x5u`, `jwk`) has no say.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let forged = |_| TokenError::Forged;
        let header = jsonwebtoken::decode_header(token).map_err(forged)?;
        if header.typ.as_deref() != Some(TOKEN_TYPE) {
            return Err(TokenError::Forged);
        }
        let keys = self.keys.present();
        let key = header.kid.as_deref().and_then(|kid| keys.find(kid)).ok_or(TokenError::Forged)?;
        let mut rules = Validation::new(key.algorithm);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
        // The times are checked below, against the clock that we were given.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims: Claims = jsonwebtoken::decode(token, &key.key, &rules).map_err(forged)?.claims;
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

#[cfg(test)]
mod tests;
