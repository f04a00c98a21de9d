//! Versions in headers: `ETag`, `If-Match` and `Consistency-Token`.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
};
use events::stream::{ExpectedVersion, StreamId, Version};

use super::Problem;

/// What a write tells and a read may ask for: `<stream>@<version>`, comma-separated in a request.
pub const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");

/// Stands in a tag between the version and what else is shown.
const SHOWN: char = '.';

/// Most tokens in one request: each may cost a read.
const MAX_TOKENS: usize = 8;

/// The streams and versions that an answer must not be older than.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtLeast(Vec<(StreamId, Version)>);

impl AtLeast {
    /// The version that `stream` must have reached.
    pub fn of(&self, stream: StreamId) -> Option<Version> {
        self.0.iter().filter(|(named, _)| *named == stream).map(|(_, version)| *version).max()
    }

    /// Asks for one more.
    pub fn and(&mut self, stream: StreamId, version: Version) {
        self.0.push((stream, version));
    }

    /// Everything that is asked for.
    pub fn iter(&self) -> impl Iterator<Item = (StreamId, Version)> + '_ {
        self.0.iter().copied()
    }

    fn parse(headers: &HeaderMap) -> Option<Self> {
        let mut all = Vec::new();
        for value in headers.get_all(&CONSISTENCY_TOKEN) {
            for token in value.to_str().ok()?.split(',') {
                let (stream, version) = token.trim().split_once('@')?;
                let version = number(version).filter(|version| *version > 0)?;
                all.push((stream.parse().ok()?, Version(version)));
            }
        }
        (all.len() <= MAX_TOKENS).then_some(Self(all))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AtLeast {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(&parts.headers).ok_or_else(|| {
            Problem::bad_request("invalid-consistency-token", "The Consistency-Token cannot be read")
                .detail(format!("it is a list of at most {MAX_TOKENS} tokens as writes return them"))
        })
    }
}

/// A token names a version that its stream does not have.
pub fn version_beyond_the_stream() -> Problem {
    Problem::bad_request("unknown-version", "The Consistency-Token names a version that does not exist")
}

/// Digits and nothing else: `u64` itself would also read a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The version that the caller believes to change (`If-Match`), if they said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<ExpectedVersion>);

/// The header is there and is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotAVersion;

impl IfMatch {
    /// For requests that must say it.
    ///
    /// # Errors
    /// 428.
    pub fn required(self) -> Result<ExpectedVersion, Problem> {
        self.0.ok_or_else(|| {
            Problem::new(StatusCode::PRECONDITION_REQUIRED, "if-match-required", "Say which version you mean to change")
                .detail("send If-Match with the ETag of the last answer, or *")
        })
    }

    fn parse(headers: &HeaderMap) -> Result<Option<ExpectedVersion>, NotAVersion> {
        let mut values = headers.get_all(header::IF_MATCH).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(NotAVersion);
        }
        let value = value.to_str().map_err(|_| NotAVersion)?.trim();
        if value == "*" {
            return Ok(Some(ExpectedVersion::Existing));
        }
        let version = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let version = version.map(|tag| tag.split_once(SHOWN).map_or(tag, |(version, _)| version));
        let version = version.and_then(number).ok_or(NotAVersion)?;
        Ok(Some(ExpectedVersion::Exact(Version(version))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(&parts.headers).map(Self).map_err(|NotAVersion| {
            Problem::bad_request("invalid-if-match", "If-Match cannot be read").detail("it is one ETag, or *")
        })
    }
}

/// The headers by which an answer states its version.
pub fn version_headers(stream: StreamId, version: Version) -> [(HeaderName, HeaderValue); 2] {
    [(header::ETAG, entity_tag(version, None)), (CONSISTENCY_TOKEN, value(&format!("{stream}@{version}")))]
}

/// The tag of a version, as it is shown together with `shown`, which may change while the version stays: it is another
/// answer then (RFC 9110 §8.8.3), and still the same version to whoever means to change it.
pub fn entity_tag(version: Version, shown: Option<&str>) -> HeaderValue {
    match shown {
        Some(shown) => value(&format!("\"{version}{SHOWN}{shown}\"")),
        None => value(&format!("\"{version}\"")),
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("\"0\""))
}

#[cfg(test)]
mod tests {
    use events::ids::{RoleId, derive};

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_token_reads_back_and_the_highest_version_counts() {
        let stream = StreamId::from(RoleId(derive(&["role"])));
        let tokens = format!("{stream}@3, {stream}@12");
        let read = AtLeast::parse(&headers(CONSISTENCY_TOKEN, &tokens)).unwrap();
        assert_eq!(read.of(stream), Some(Version(12)));
        for bad in [
            "",
            "x",
            "role#1@1",
            &format!("{stream}@0"),
            &format!("{stream}@-1"),
            &format!("{stream}@+1"),
            &vec![format!("{stream}@1"); 9].join(","),
        ] {
            assert_eq!(AtLeast::parse(&headers(CONSISTENCY_TOKEN, bad)), None, "{bad}");
        }
    }

    #[test]
    fn if_match_is_one_strong_tag_or_a_star() {
        let parse = |text: &str| IfMatch::parse(&headers(header::IF_MATCH, text));
        assert_eq!(parse("*"), Ok(Some(ExpectedVersion::Existing)));
        assert_eq!(parse("\"7\""), Ok(Some(ExpectedVersion::Exact(Version(7)))));
        assert_eq!(parse("\"7.shown\""), Ok(Some(ExpectedVersion::Exact(Version(7)))));
        for bad in ["\".7\"", "7", "W/\"7\"", "\"7\", \"8\"", "\"x\"", "\"+7\"", ""] {
            assert_eq!(parse(bad), Err(NotAVersion), "{bad}");
        }
        let two = ["\"7\"", "\"8\""].map(|tag| (header::IF_MATCH, HeaderValue::from_static(tag)));
        let mut headers = HeaderMap::new();
        for (name, tag) in two {
            headers.append(name, tag);
        }
        assert_eq!(IfMatch::parse(&headers), Err(NotAVersion));
        assert_eq!(IfMatch::parse(&HeaderMap::new()), Ok(None));
    }
}
