//! What all writes have in common: who asks, under what conditions, and how the end of a command is answered.

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use events::{
    decider::{Decider, Refusal, RefusalKind},
    envelope::{Actor, Metadata},
    ids::derive,
    stream::{ExpectedVersion, StreamId, Version},
    values::Reason,
};
use platform::{
    http::{Problem, consistency::version_headers, layers::Trip},
    store::{ExecuteError, Executed, Intent, Outcome, Replay},
};
use serde::Serialize;
use uuid::Uuid;

use crate::state::AppState;

/// By which a client names one request that it may repeat.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Longest idempotency key, in bytes: a UUID fits many times.
const MAX_KEY_BYTES: usize = 255;

/// The client's name for this request, if it sent one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(key) if !key.is_empty() && key.len() <= MAX_KEY_BYTES => Ok(Self(Some(key.to_owned()))),
            _ => Err(Problem::bad_request("invalid-idempotency-key", "The Idempotency-Key cannot be used")
                .detail(format!("it is 1 to {MAX_KEY_BYTES} visible ASCII characters"))),
        }
    }
}

impl IdempotencyKey {
    /// The id of what a request creates: derived from the key, so that a repeat meets its own commit; else a new one.
    pub fn created_id(&self, state: &AppState, operation: &str, actor: Actor) -> Uuid {
        match &self.0 {
            Some(key) => derive(&[operation, &actor.to_string(), key]),
            None => state.context.clock.new_id(),
        }
    }

    /// By what a repeat is recognised. `request` must hold no secret, for a digest of it is kept.
    fn replay(&self, state: &AppState, operation: &str, actor: Actor, request: &impl Serialize) -> Option<Replay> {
        let key = self.0.as_ref()?;
        let request = serde_json::to_vec(request).ok()?;
        let caller = actor.to_string();
        Some(Replay {
            key: state.digest_key.tag(&[b"key", operation.as_bytes(), caller.as_bytes(), key.as_bytes()]),
            digest: state.digest_key.tag(&[b"request", operation.as_bytes(), &request]),
        })
    }
}

/// A request to change something, put together from its headers.
#[derive(Debug)]
pub struct Ask<'a> {
    /// What is asked, as part of what a repeat is recognised by.
    pub operation: &'static str,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: Option<Reason>,
    /// The version that they mean to change.
    pub expected: Option<ExpectedVersion>,
    /// Their name for the request.
    pub key: &'a IdempotencyKey,
}

impl Ask<'_> {
    /// The intent for the store. `request` is everything that makes the request this one, without secrets.
    pub fn intent(self, state: &AppState, request: &impl Serialize) -> Intent {
        let Trip { correlation_id, traceparent } = Trip::current();
        Intent {
            replay: self.key.replay(state, self.operation, self.actor, request),
            metadata: Metadata {
                actor: self.actor,
                reason: self.reason.map(Into::into),
                correlation_id,
                causation_id: None,
                traceparent,
            },
            expected: self.expected,
        }
    }
}

/// Answers with the whole object, its version, and whether it was answered before.
pub fn answer<D: Decider>(
    status: StatusCode,
    stream: StreamId,
    executed: &Executed<D>,
    body: impl Serialize,
) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    mark(&mut response, stream, executed);
    if status == StatusCode::CREATED {
        let path = format!("/v1/{}s/{}", stream.category.as_str(), stream.id);
        if let Ok(location) = HeaderValue::from_str(&path) {
            response.headers_mut().insert(header::LOCATION, location);
        }
    }
    response
}

/// Puts the headers of a command's end on an answer.
pub fn mark<D: Decider>(response: &mut Response, stream: StreamId, executed: &Executed<D>) {
    response.headers_mut().extend(version_headers(stream, executed.folded.version));
    if executed.outcome == Outcome::Replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
}

/// Turns the end of a command into a problem; `taken` says what a taken unique value means for this request.
pub fn problem<R>(
    error: ExecuteError<R>,
    refused: impl FnOnce(R) -> Problem,
    taken: impl FnOnce(&events::claim::Claim) -> Problem,
) -> Problem {
    match error {
        ExecuteError::Refused(refusal) => refused(refusal),
        ExecuteError::VersionMismatch { actual } => version_mismatch(actual),
        ExecuteError::KeyReused => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The Idempotency-Key was used for another request",
        ),
        ExecuteError::Conflict { tried } => Problem::new(StatusCode::CONFLICT, "conflict", "Others kept changing it")
            .detail(format!("version {tried} was taken each time; read it again and decide anew")),
        ExecuteError::ClaimTaken(claim) => taken(&claim),
        ExecuteError::CompanionRefused(at) => {
            tracing::error!(companion = at, "a companion without a condition was refused");
            Problem::internal()
        }
        ExecuteError::TooLarge(bytes) => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "commit-too-large", "The change is too large")
                .detail(format!("it would take {bytes} bytes; at most {}", events::commit::MAX_EVENTS_BYTES))
        }
        ExecuteError::Store(error) => error.into(),
    }
}

fn version_mismatch(actual: Version) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "version-mismatch", "It has changed since you read it")
        .detail(format!("it is at version {actual}"))
}

/// A rule of a decider, as a problem.
#[expect(clippy::needless_pass_by_value, reason = "taken by `map_err`")]
pub fn refused(refusal: impl Refusal) -> Problem {
    let detail = refusal.to_string();
    match refusal.kind() {
        RefusalKind::NotFound => Problem::not_found(),
        RefusalKind::Gone => Problem::erased(),
        RefusalKind::Conflict => {
            Problem::new(StatusCode::CONFLICT, refusal.code(), "The rules do not allow it now").detail(detail)
        }
        RefusalKind::Forbidden => {
            Problem::new(StatusCode::FORBIDDEN, refusal.code(), "The rules do not allow it").detail(detail)
        }
    }
}

/// For requests that take no unique value.
pub fn nothing_taken(claim: &events::claim::Claim) -> Problem {
    tracing::error!(kind = claim.kind.as_str(), "a request that takes no unique value met a taken one");
    Problem::internal()
}

/// An id in a path. One that is no id names nothing.
///
/// # Errors
/// 404.
pub fn entity_id<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}
