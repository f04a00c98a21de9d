//! The pair of tokens that a sign-in and a refresh give.

use chrono::{DateTime, Utc};
use events::{ids::SessionId, user::UserState};
use platform::{
    crypto::MacKey,
    http::Problem,
    tokens::{ACCESS_TOKEN_LIFETIME, AUDIENCE, Claims},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::AppState;

/// A pair of tokens.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl", "token_type": "Bearer",
    "expires_in": 600, "refresh_token": "0190b1a5-3c1d-7e2f-9a0b-1c2d3e4f5a6b.1.bWFj"
}))]
pub struct TokenPair {
    /// For the `Authorization` header (RFC 9068).
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds for which the access token is good.
    #[schema(minimum = 0, maximum = 600)]
    expires_in: i64,
    /// For the next pair.
    refresh_token: String,
}

impl TokenPair {
    /// The pair of a session that began at `began` and whose last refresh token is number `number`.
    ///
    /// # Errors
    /// Only if the library cannot sign.
    pub fn of(
        state: &AppState,
        user: &UserState,
        sid: SessionId,
        (number, began): (u64, DateTime<Utc>),
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let roles: Vec<_> = user.roles.iter().filter(|role| role.holds_at(now)).cloned().collect();
        let ends = roles.iter().filter_map(|role| role.expires_at);
        let end = ends.fold(now + ACCESS_TOKEN_LIFETIME, DateTime::min);
        let claims = Claims {
            iss: state.issuer.clone(),
            sub: user.id,
            aud: AUDIENCE.to_owned(),
            client_id: AUDIENCE.to_owned(),
            exp: end.timestamp(),
            nbf: now.timestamp(),
            iat: now.timestamp(),
            auth_time: began.timestamp(),
            jti: state.context.clock.new_id(),
            sid,
            ver: user.version,
            roles,
        };
        let access_token = state.signer.sign(&claims).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "an access token could not be signed");
            Problem::internal()
        })?;
        let refresh_token = RefreshToken { session: sid, number }.sealed(&state.refresh_key);
        Ok(Self { access_token, token_type: "Bearer", expires_in: (end - now).num_seconds(), refresh_token })
    }
}

/// What a refresh token says. Nothing secret is stored of it: whoever has the key makes it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// Which session.
    pub session: SessionId,
    /// The how manieth of it, from 1.
    pub number: u64,
}

impl RefreshToken {
    fn sealed(self, key: &MacKey) -> String {
        let Self { session, number } = self;
        let tag = key.tag(&[session.to_string().as_bytes(), number.to_string().as_bytes()]);
        format!("{session}.{number}.{tag}")
    }

    /// Reads a token that `key` made.
    pub fn open(token: &SecretString, key: &MacKey) -> Option<Self> {
        let (said, tag) = token.expose_secret().rsplit_once('.')?;
        let (session, number) = said.split_once('.')?;
        let token = Self { session: SessionId(session.parse().ok()?), number: number.parse().ok()? };
        // What is checked is what was said, so that there is one spelling of a token.
        key.is_tag_of(tag, &[session.as_bytes(), number.as_bytes()]).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use events::ids::derive;

    use super::*;

    #[test]
    fn only_the_key_that_made_a_refresh_token_opens_it() {
        let (key, other) = (MacKey::new(&[1; 32]), MacKey::new(&[2; 32]));
        let token = RefreshToken { session: SessionId(derive(&["session"])), number: 7 };
        let text = token.sealed(&key);
        assert_eq!(RefreshToken::open(&text.as_str().into(), &key), Some(token));
        assert_eq!(RefreshToken::open(&text.as_str().into(), &other), None);
        let forgeries = [
            text.replace(".7.", ".8."),
            text.replace(".7.", ".07."),
            text.to_uppercase(),
            text[..text.len() - 1].to_owned(),
            format!("{text}A"),
            format!("{text}="),
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
        ];
        for forged in forgeries {
            assert_eq!(RefreshToken::open(&forged.as_str().into(), &key), None, "{forged}");
        }
    }
}
