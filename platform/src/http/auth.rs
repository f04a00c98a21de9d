//! Who calls and what they may do.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use events::{envelope::Actor, ids::UserId, permission::Permissions, values::Level};

use super::{Problem, consistency::AtLeast};
use crate::{
    clock::Clock,
    rights::Rights,
    tokens::{Claims, Verifier},
};

/// What it takes to authenticate a request.
#[derive(Debug, Clone)]
pub struct Authenticator {
    /// Verifies tokens.
    pub verifier: Verifier,
    /// Resolves what they grant.
    pub rights: Rights,
    /// Tells when.
    pub clock: Clock,
}

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Their token.
    pub claims: Claims,
    /// Everything their roles permit.
    pub permissions: Permissions,
    /// The highest level of their roles.
    pub level: Option<Level>,
}

impl Caller {
    /// The caller's user.
    pub fn user(&self) -> UserId {
        self.claims.sub
    }

    /// What a read of one's own user must not be older than: what the caller asks for, and what the token was made from.
    /// So nobody who could sign in is told that they do not exist yet.
    #[must_use]
    pub fn since_signed(&self, mut at_least: AtLeast) -> AtLeast {
        at_least.and(self.user().into(), self.claims.ver);
        at_least
    }

    /// The caller as the log records them.
    pub fn actor(&self) -> Actor {
        Actor::User(self.user())
    }

    /// Refuses a caller who has lost `permission` since the request began.
    ///
    /// # Errors
    /// 401, 403 or 503.
    pub async fn still_holds(&self, authenticator: &Authenticator, permission: &str) -> Result<(), Problem> {
        let granted = authenticator.rights.resolve(&self.claims, authenticator.clock.now()).await?;
        if granted.permissions.allow(permission) { Ok(()) } else { Err(Problem::lacking(permission)) }
    }

    /// Refuses a caller without `permission`.
    ///
    /// # Errors
    /// 403.
    pub fn require(&self, permission: &str) -> Result<(), Problem> {
        if self.permissions.allow(permission) { Ok(()) } else { Err(Problem::lacking(permission)) }
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let authenticator = Authenticator::from_ref(state);
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(Problem::unauthenticated)?;
        let now = authenticator.clock.now();
        let claims = authenticator.verifier.verify(token, now).map_err(|error| {
            tracing::info!(reason = %error, "an access token was refused");
            Problem::unauthenticated()
        })?;
        let granted = authenticator.rights.resolve(&claims, now).await?;
        Ok(Self { claims, permissions: granted.permissions, level: granted.level })
    }
}
