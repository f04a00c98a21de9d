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

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        parse(&read(request, state).await?).map(Self)
    }
}

/// As [`Body`], but no body at all counts as an empty object.
#[derive(Debug, Clone)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + KnownFields, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let typed = request.headers().contains_key(header::CONTENT_TYPE);
        if typed {
            require_json(request.headers())?;
        }
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        if !typed {
            return Err(wrong_content_type());
        }
        parse(&bytes).map(Self)
    }
}

/// Reads a body up to its limit. What is beyond it is thrown away for a while before the refusal: a client that is still
/// writing would see its connection break instead of the answer.
async fn read<S: Send + Sync>(request: Request, _: &S) -> Result<Bytes, Problem> {
    let mut frames = request.into_body().into_data_stream();
    let (mut body, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| Problem::bad_request("body-unreadable", "The body could not be read"))?;
        length += frame.len();
        if length <= MAX_BODY_BYTES {
            body.extend_from_slice(&frame);
        } else if length > MAX_DRAINED_BYTES {
            break;
        }
    }
    if length <= MAX_BODY_BYTES {
        return Ok(body.freeze());
    }
    let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large");
    Err(problem.detail(format!("at most {MAX_BODY_BYTES} bytes")))
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(wrong_content_type()) }
}

fn wrong_content_type() -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body must be application/json")
}

fn parse<T: DeserializeOwned + KnownFields>(bytes: &[u8]) -> Result<T, Problem> {
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
