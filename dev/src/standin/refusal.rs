//! Errors in Telnyx's form: a code in text, a title, and a pointer to what is at fault.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use platform::telnyx::wire::{ErrorBody, ErrorItem, ErrorSource};

/// The header that says in how many seconds a rate limit is reset.
pub(super) const RATE_LIMIT_RESET: &str = "x-ratelimit-reset";

/// One refused request.
#[derive(Debug)]
pub(super) struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    item: ErrorItem,
    retry_after: Option<HeaderValue>,
    rate_limit_reset: Option<u64>,
}

impl Refusal {
    /// A refusal with a code of Telnyx.
    pub(super) fn new(status: StatusCode, code: &str) -> Self {
        let item = ErrorItem { code: code.to_owned(), title: title(code).to_owned(), ..ErrorItem::default() };
        Self(Box::new(Parts { status, item, retry_after: None, rate_limit_reset: None }))
    }

    /// Says which part of the body is at fault.
    pub(super) fn at(mut self, pointer: &str) -> Self {
        self.0.item.source = Some(ErrorSource { pointer: Some(pointer.to_owned()), parameter: None });
        self
    }

    /// Says which parameter of the query is at fault.
    pub(super) fn at_parameter(mut self, parameter: &str) -> Self {
        self.0.item.source = Some(ErrorSource { pointer: None, parameter: Some(parameter.to_owned()) });
        self
    }

    /// Says what happened.
    pub(super) fn because(mut self, detail: impl Into<String>) -> Self {
        self.0.item.detail = Some(detail.into());
        self
    }

    /// Says when to come again: `Retry-After` as it is given, and `x-ratelimit-reset` in seconds.
    pub(super) fn later(mut self, retry_after: Option<HeaderValue>, rate_limit_reset: Option<u64>) -> Self {
        self.0.retry_after = retry_after;
        self.0.rate_limit_reset = rate_limit_reset;
        self
    }
}

/// The stand-in itself failed.
impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "the stand-in failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "10007")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Parts { status, item, retry_after, rate_limit_reset } = *self.0;
        let mut response = (status, Json(ErrorBody { errors: vec![item] })).into_response();
        let headers = response.headers_mut();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value);
        }
        if let Some(seconds) = rate_limit_reset {
            headers.insert(RATE_LIMIT_RESET, HeaderValue::from(seconds));
        }
        response
    }
}

/// The answer where there is no route.
pub(super) async fn no_such_route() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "10005")
}

fn title(code: &str) -> &'static str {
    match code {
        "10004" => "Missing required parameter",
        "10005" => "Resource not found",
        "10007" => "Unexpected error",
        "10009" => "Authentication failed",
        "10011" => "Too many requests",
        "10015" => "Bad request",
        "10023" => "Invalid JSON",
        "20100" => "Insufficient funds",
        "40300" => "Blocked due to STOP message",
        "40302" => "Message too large",
        "40305" => "Invalid 'from' address",
        "40309" => "Region not whitelisted",
        "40310" => "Invalid 'to' address",
        "40316" => "No content provided",
        "40318" => "Queue full",
        "40333" => "Daily spend limit reached",
        _ => "Refused",
    }
}
