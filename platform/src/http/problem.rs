//! Problem details (RFC 9457): the one shape of every error.

mod codes;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use events::stream::Version;
use serde::Serialize;
use utoipa::ToSchema;

use super::layers::current_trace_id;
use crate::{rights::RightsError, store::StoreError};

/// Seconds after which a client should come back when something of ours does not answer.
const RETRY_AFTER_SECONDS: u16 = 1;

/// An error as the client sees it. Nothing internal gets in: causes are logged, not sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:fieldfuze:problem:` and the code.
    #[schema(pattern = "^urn:fieldfuze:problem:[a-z-]+$")]
    #[serde(rename = "type")]
    pub kind: String,
    /// What this code means.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(value_type = u16, minimum = 400, maximum = 599)]
    #[serde(serialize_with = "as_number")]
    pub status: StatusCode,
    /// Stable code for programs.
    #[schema(pattern = "^[a-z-]+$")]
    pub code: &'static str,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
    /// What is wrong with which part of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The version that was expected, where versions disagree.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expected_version: Option<u64>,
    /// The version that it has, where versions disagree.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub actual_version: Option<u64>,
    /// Names the request in our logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9a-f]{32}$")]
    pub trace_id: Option<String>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is wrong with one part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body.
    #[schema(pattern = "^($|/)")]
    pub pointer: String,
    /// Stable code for programs.
    #[schema(pattern = "^[a-z-]+$")]
    pub code: &'static str,
    /// A sentence for a developer.
    pub detail: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with its stable code and what that code means.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self {
            kind: format!("urn:fieldfuze:problem:{code}"),
            title,
            status,
            code,
            detail: None,
            errors: Vec::new(),
            expected_version: None,
            actual_version: None,
            trace_id: None,
            headers: Vec::new(),
        }
    }

    /// Says what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says which versions disagree.
    #[must_use]
    pub fn versions(mut self, expected: Version, actual: Version) -> Self {
        self.expected_version = Some(expected.0);
        self.actual_version = Some(actual.0);
        self
    }

    /// Adds what is wrong with one part of the request.
    #[must_use]
    pub fn error(mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), code, detail: detail.into() });
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// 422: some values are not what they should be.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-value", "A value is not valid");
        problem.errors = errors;
        problem
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing")
    }

    /// 400: the query string, a header or a cursor.
    pub fn bad_request(code: &'static str, title: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, title)
    }

    /// 401, in one form for every reason.
    pub fn unauthenticated() -> Self {
        let challenge = HeaderValue::from_static("Bearer realm=\"fieldfuze\"");
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A valid access token is needed")
            .header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 403: the caller lacks a permission.
    pub fn lacking(permission: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission-missing", "You may not do this")
            .detail(format!("it takes the permission {permission}"))
    }

    /// 410.
    pub fn erased() -> Self {
        Self::new(StatusCode::GONE, "erased", "It was erased")
    }

    /// 429: too many attempts; the next one after `seconds`. Who was counted is not said.
    pub fn rate_limited(seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many attempts")
            .header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// 503: something of ours does not answer; try again.
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment")
            .header(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))
    }

    /// 503: too much at once; nothing was done.
    pub fn overloaded() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too much at once")
            .header(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))
    }

    /// 500: a fault of ours. The cause must have been logged.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the event log or a read model failed");
        match error {
            StoreError::Unavailable(_) | StoreError::Key(_) => Self::unavailable(),
            _ => Self::internal(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code)
    }
}

impl std::error::Error for Problem {}

impl From<RightsError> for Problem {
    fn from(error: RightsError) -> Self {
        match error {
            RightsError::Stale => Self::unavailable(),
            RightsError::Voided => Self::unauthenticated(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        debug_assert!(codes::CODES.contains(&(self.status.as_u16(), self.code)), "{} is in no list", self.code);
        self.trace_id = current_trace_id();
        let headers = std::mem::take(&mut self.headers);
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
