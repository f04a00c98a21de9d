//! What all writes have in common: what is recorded of who asks, and how the end of a command is answered.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use events::{
    claim::{Claim, GuardedSet},
    decider::{Decider, Refusal, RefusalKind},
    envelope::{Actor, Metadata},
    event::EventData,
    stream::{ExpectedVersion, StreamId, Version},
    values::Reason,
};
use platform::{
    http::{
        Problem,
        bodies::{DryRunBody, PlannedEvent},
        consistency::version_headers,
        layers::Trip,
    },
    store::{ExecuteError, Executed, Intent, Outcome},
};
use serde::Serialize;

use crate::{conditions::Conditions, state::AppState};

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What a request asks for, as the log records it and a repeat is recognised by.
#[derive(Debug)]
pub struct Ask {
    /// What is asked.
    pub operation: &'static str,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: Option<Reason>,
}

impl Ask {
    /// The intent for the store. `request` is everything that makes the request this one, without secrets.
    pub fn intent(self, state: &AppState, conditions: &Conditions, request: &impl Serialize) -> Intent {
        Intent {
            replay: conditions.replay(state, self.operation, self.actor, request),
            metadata: metadata(self.actor, self.reason),
            expected: conditions.expected,
            validate_only: conditions.validate_only,
        }
    }
}

/// What is recorded of the request at hand.
pub fn metadata(actor: Actor, reason: Option<Reason>) -> Metadata {
    let Trip { correlation_id, traceparent, .. } = Trip::current();
    Metadata { actor, reason: reason.map(Into::into), correlation_id, causation_id: None, traceparent }
}

/// Why a command is refused: by a decider's rule, or with an answer of its own.
#[derive(Debug)]
pub enum Refused<R> {
    /// By the decider.
    Rule(R),
    /// With this answer.
    Problem(Box<Problem>),
}

impl<R: Refusal> From<R> for Refused<R> {
    fn from(refusal: R) -> Self {
        Self::Rule(refusal)
    }
}

impl<R> Refused<R> {
    /// With this answer.
    pub fn with(problem: impl Into<Problem>) -> Self {
        Self::Problem(Box::new(problem.into()))
    }
}

/// Answers with the whole object, its version, and whether it was answered before; or with what would have happened.
pub fn answer<D: Decider>(
    status: StatusCode,
    stream: StreamId,
    executed: &Executed<D>,
    body: impl FnOnce(&D::State) -> Option<Response>,
) -> Response {
    if executed.outcome == Outcome::Validated {
        return axum::Json(planned(executed)).into_response();
    }
    let Some(mut response) = body(&executed.folded.state) else { return Problem::not_found().into_response() };
    *response.status_mut() = status;
    response.headers_mut().extend(version_headers(stream, executed.folded.version));
    if executed.outcome == Outcome::Replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if status == StatusCode::CREATED {
        let path = format!("/v1/{}s/{}", stream.category.as_str(), stream.id);
        if let Ok(location) = HeaderValue::from_str(&path) {
            response.headers_mut().insert(header::LOCATION, location);
        }
    }
    response
}

fn planned<D: Decider>(executed: &Executed<D>) -> DryRunBody {
    let stored = executed.events.iter().map(|recorded| recorded.event.to_stored());
    let event =
        |event: events::event::StoredEvent| PlannedEvent { kind: event.kind, schema: event.schema, data: event.data };
    DryRunBody { events: stored.map(event).collect() }
}

/// Turns the end of a command into a problem; `taken` says what a taken unique value means for this request.
pub fn problem<R: Refusal>(error: ExecuteError<Refused<R>>, taken: impl FnOnce(&Claim) -> Problem) -> Problem {
    match error {
        ExecuteError::Refused(Refused::Rule(refusal)) => refused(&refusal),
        ExecuteError::Refused(Refused::Problem(problem)) => *problem,
        ExecuteError::VersionMismatch { expected, actual } => {
            Problem::new(StatusCode::PRECONDITION_FAILED, "version-mismatch", "It has changed since you read it")
                .versions(expected, actual)
        }
        ExecuteError::KeyReused => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The Idempotency-Key was used for another request",
        ),
        ExecuteError::Conflict { expected, actual } => {
            Problem::new(StatusCode::CONFLICT, "conflict", "Others kept changing it")
                .detail("each try met a newer version; read it again and decide anew")
                .versions(expected, actual)
        }
        ExecuteError::ClaimTaken(claim) => taken(&claim),
        ExecuteError::LastMember(GuardedSet::Administrators) => {
            Problem::new(StatusCode::CONFLICT, "last-administrator", "Somebody must administer")
                .detail("no other active user has the administrator role everywhere and without end")
        }
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

/// A rule of a decider, as a problem.
pub fn refused(refusal: &impl Refusal) -> Problem {
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
        RefusalKind::Invalid { pointer } => Problem::invalid(Vec::new()).error(pointer, refusal.code(), detail),
    }
}

/// `If-Match` on what does not exist yet matches nothing (RFC 9110 §13.1.1).
///
/// # Errors
/// 412.
pub fn nothing_to_match(conditions: &Conditions) -> Result<(), Problem> {
    let Some(expected) = conditions.expected else { return Ok(()) };
    let problem = Problem::new(StatusCode::PRECONDITION_FAILED, "version-mismatch", "There is nothing yet to match");
    Err(match expected {
        ExpectedVersion::Exact(expected) => problem.versions(expected, Version::NONE),
        ExpectedVersion::Existing => problem,
    })
}

/// For requests that take no unique value.
pub fn nothing_taken(claim: &Claim) -> Problem {
    tracing::error!(kind = claim.kind.as_str(), "a request that takes no unique value met a taken one");
    Problem::internal()
}
