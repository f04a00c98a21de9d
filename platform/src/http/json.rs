//! A JSON body, read strictly.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Problem, layers::MAX_BODY_BYTES, problem::FieldError};

/// What all bodies are unless a route says otherwise.
const JSON: &str = "application/json";

/// How much of a body that is too large is read and thrown away.
const MAX_DRAINED_BYTES: usize = 8 * 1024 * 1024;

/// A JSON object whose known fields have the right types and which has no others.
///
/// Whether values are valid is said by [`super::fields::Fields`], all at once.
#[derive(Debug, Clone)]
pub struct Body<T>(pub T);

/// The fields that a body may have, so that an unknown one is named by its pointer.
pub trait KnownFields {
    /// Names of the fields.
    const FIELDS: &'static [&'static str];
}

impl<T: DeserializeOwned + KnownFields, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        require(JSON, request.headers())?;
        parse(&read(request, MAX_BODY_BYTES).await?).map(Self)
    }
}

/// As [`Body`], but no body at all counts as an empty object.
#[derive(Debug, Clone)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + KnownFields, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let typed = request.headers().contains_key(header::CONTENT_TYPE);
        if typed {
            require(JSON, request.headers())?;
        }
        let bytes = read(request, MAX_BODY_BYTES).await?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        if !typed {
            return Err(wrong_content_type(JSON));
        }
        parse(&bytes).map(Self)
    }
}

/// Reads a body up to its limit. What is beyond it is thrown away for a while before the refusal: a client that is still
/// writing would see its connection break instead of the answer.
///
/// # Errors
/// 400 or 413.
pub async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let mut frames = request.into_body().into_data_stream();
    let (mut body, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| Problem::bad_request("body-unreadable", "The body could not be read"))?;
        length += frame.len();
        if length <= limit {
            body.extend_from_slice(&frame);
        } else if length > limit + MAX_DRAINED_BYTES {
            break;
        }
    }
    if length <= limit {
        return Ok(body.freeze());
    }
    let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large");
    Err(problem.detail(format!("at most {limit} bytes")))
}

/// Refuses a body of another type.
///
/// # Errors
/// 415.
pub fn require(wanted: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(wanted) { Ok(()) } else { Err(wrong_content_type(wanted)) }
}

fn wrong_content_type(wanted: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is of another type")
        .detail(format!("it must be {wanted}"))
}

/// Reads an object.
///
/// # Errors
/// 400 or 422.
pub fn parse<T: DeserializeOwned + KnownFields>(bytes: &[u8]) -> Result<T, Problem> {
    let malformed = || Problem::bad_request("malformed-json", "The body is not JSON");
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| malformed().detail(format!("line {}, column {}", error.line(), error.column())))?;
    let Value::Object(object) = value else {
        return Err(invalid_type("", "must be an object"));
    };
    let unknown = unknown_fields(&object, T::FIELDS);
    if !unknown.is_empty() {
        return Err(Problem::invalid(unknown));
    }
    serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| {
        let pointer: String = error.path().iter().map(segment).collect();
        invalid_type(pointer, "is not of the type that the API's document gives")
    })
}

fn unknown_fields(object: &Map<String, Value>, known: &[&str]) -> Vec<FieldError> {
    let unknown = object.keys().filter(|name| !known.contains(&name.as_str()));
    unknown
        .map(|name| FieldError {
            pointer: format!("/{}", escape(name)),
            code: "unknown-field",
            detail: "there is no such field".to_owned(),
        })
        .collect()
}

fn invalid_type(pointer: impl Into<String>, detail: &str) -> Problem {
    Problem::invalid(Vec::new()).error(pointer, "wrong-type", detail)
}

fn segment(segment: &serde_path_to_error::Segment) -> String {
    use serde_path_to_error::Segment;
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => format!("/{}", escape(key)),
        Segment::Unknown => String::new(),
    }
}

/// RFC 6901 §3.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
