//! What every write can be told beside its body: on what version, under what name, and whether only to try.

use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderName, request::Parts},
};
use events::{envelope::Actor, ids::derive, stream::ExpectedVersion};
use platform::{
    http::{Problem, consistency::IfMatch},
    store::Replay,
};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::state::AppState;

/// By which a client names one request that it may repeat.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest idempotency key, in bytes: a UUID fits many times.
const MAX_KEY_BYTES: usize = 255;

/// The conditions of a write.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// The version that the caller means to change (`If-Match`).
    pub expected: Option<ExpectedVersion>,
    /// Whether to say what would happen, and write nothing.
    pub validate_only: bool,
    key: Option<String>,
}

/// Documents `If-Match` where it must be sent.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the document only")]
pub struct IfMatchRequired {
    /// The `ETag` that you read, or `*`
    #[param(rename = "If-Match", pattern = r#"^(\*|"[0-9]{1,19}(\.[A-Za-z0-9_-]{43})?")$"#, example = "*")]
    if_match: String,
}

/// Documents `If-Match` where it may be sent.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the document only")]
pub struct IfMatchAllowed {
    /// The `ETag` that you read, or `*`
    #[param(
        rename = "If-Match",
        pattern = r#"^(\*|"[0-9]{1,19}(\.[A-Za-z0-9_-]{43})?")$"#,
        example = "*",
        nullable = false
    )]
    if_match: Option<String>,
}

/// Documents `Idempotency-Key`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the document only")]
pub struct Repeatable {
    /// Names this request, so that it can be repeated safely: the repeat gets the first answer again
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[\\x21-\\x7e]+$",
        nullable = false
    )]
    idempotency_key: Option<String>,
}

/// Documents `Idempotency-Key` where it must be sent.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the document only")]
pub struct KeyRequired {
    /// Names this request, so that it can be sent again when it breaks off
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[\\x21-\\x7e]+$")]
    idempotency_key: String,
}

/// The query string of a write.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DryRun {
    /// Answers the events that would be recorded, and writes nothing
    #[serde(default)]
    #[param(default = false, required = false)]
    validate_only: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let IfMatch(expected) = IfMatch::from_request_parts(parts, state).await?;
        let Query(DryRun { validate_only }) = Query::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::bad_request("invalid-query", "The query string cannot be read"))?;
        Ok(Self { expected, validate_only, key: key(parts)? })
    }
}

/// The conditions of a write that must carry a key: without one its repeat could not be recognised.
#[derive(Debug, Clone)]
pub struct Keyed(pub Conditions);

impl<S: Send + Sync> FromRequestParts<S> for Keyed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let conditions = Conditions::from_request_parts(parts, state).await?;
        if conditions.key.is_some() {
            return Ok(Self(conditions));
        }
        Err(Problem::bad_request("idempotency-key-required", "The request needs an Idempotency-Key")
            .detail("so that it can be sent again when it breaks off"))
    }
}

fn key(parts: &Parts) -> Result<Option<String>, Problem> {
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Some(key.to_owned()))
        }
        _ => Err(Problem::bad_request("invalid-idempotency-key", "The Idempotency-Key cannot be used")
            .detail(format!("it is 1 to {MAX_KEY_BYTES} visible ASCII characters"))),
    }
}

impl Conditions {
    /// Refuses a request that does not say which version it means.
    ///
    /// # Errors
    /// 428.
    pub fn must_match(&self) -> Result<(), Problem> {
        IfMatch(self.expected).required().map(drop)
    }

    /// The conditions of the part of a request that `name` names: it has a key of its own.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        let key = self.key.as_ref().map(|key| format!("{}:{key}:{name}", key.len()));
        Self { key, ..self.clone() }
    }

    /// The id of what a request creates: derived from the key, so that a repeat meets its own commit; else a new one.
    pub fn created_id(&self, state: &AppState, operation: &str, actor: Actor) -> Uuid {
        match &self.key {
            Some(key) => derive(&[operation, &actor.to_string(), key]),
            None => state.context.clock.new_id(),
        }
    }

    /// By what a repeat is recognised. `request` must hold no secret, for a digest of it is kept.
    pub(crate) fn replay(
        &self,
        state: &AppState,
        operation: &str,
        actor: Actor,
        request: &impl Serialize,
    ) -> Option<Replay> {
        let key = self.key.as_ref()?;
        let request = serde_json::to_vec(request).ok()?;
        let caller = actor.to_string();
        Some(Replay {
            key: state.digest_key.tag(&[b"key", operation.as_bytes(), caller.as_bytes(), key.as_bytes()]),
            digest: state.digest_key.tag(&[b"request", operation.as_bytes(), &request]),
        })
    }
}
