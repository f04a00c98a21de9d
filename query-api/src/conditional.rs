//! Answers that a client need not be sent again: `ETag` and `If-None-Match` (RFC 9110 §13.1.2).

use std::convert::Infallible;

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use events::stream::{StreamId, Version};
use platform::{
    crypto::MacKey,
    http::{
        Problem,
        consistency::{entity_tag, version_headers},
    },
};
use serde::Serialize;
use utoipa::{IntoParams, IntoResponses};

use crate::list::Items;

/// Of an entity whose body shows nothing but its own version.
pub const NOTHING_ELSE: &[()] = &[];

/// Documents `If-None-Match` where it may be sent.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the document only")]
pub struct UnlessSame {
    /// `ETag`s of answers that you have: when one of them is still the answer, it is 304 without a body
    #[param(rename = "If-None-Match", nullable = false, example = "\"3\"")]
    if_none_match: Option<String>,
}

/// The answer is one that you have
#[derive(Debug, IntoResponses)]
#[response(status = 304, headers(("ETag" = String, description = "Of the answer that you have")))]
pub struct Same;

/// The tags of the answers that a client has.
#[derive(Debug, Clone, Default)]
pub struct IfNoneMatch(Vec<HeaderValue>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect()))
    }
}

impl IfNoneMatch {
    /// One entity. The tag is its version; behind it stands what `beside` is, if the body shows something that can change
    /// without a new version, such as other entities' names.
    ///
    /// # Errors
    /// 500 when `beside` is no JSON.
    pub fn entity(
        &self,
        key: &MacKey,
        (stream, version): (StreamId, Version),
        beside: &[impl Serialize],
        body: impl Serialize,
    ) -> Result<Response, Problem> {
        let shown = if beside.is_empty() { None } else { Some(digest(key, beside)?) };
        let [_, token] = version_headers(stream, version);
        Ok(self.answer([(header::ETAG, entity_tag(version, shown.as_deref())), token], body))
    }

    /// A part of a list. Its tag is weak: the token of the next part is another one each time, and leads to the same place.
    ///
    /// # Errors
    /// 500 when the items are no JSON.
    pub fn items<T: Serialize>(&self, key: &MacKey, list: &str, items: Items<T>) -> Result<Response, Problem> {
        let tag = digest(key, &(list, &items.items, items.next_page_token.is_some()))?;
        let tag = HeaderValue::from_str(&format!("W/\"{tag}\"")).map_err(|_| Problem::internal())?;
        Ok(self.answer([(header::ETAG, tag)], items))
    }

    fn answer<const N: usize>(&self, headers: [(HeaderName, HeaderValue); N], body: impl Serialize) -> Response {
        let headers = HeaderMap::from_iter(headers);
        if headers.get(header::ETAG).is_some_and(|tag| self.names(tag)) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, Json(body)).into_response()
    }

    /// By weak comparison, and `*` names whatever there is. What is no tag of ours names nothing.
    fn names(&self, tag: &HeaderValue) -> bool {
        fn opaque(tag: &str) -> &str {
            tag.strip_prefix("W/").unwrap_or(tag)
        }
        let Ok(tag) = tag.to_str() else { return false };
        let said = self.0.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        said.map(str::trim).any(|said| said == "*" || opaque(said) == opaque(tag))
    }
}

/// A MAC, not a digest: what is shown of a person could be guessed from a digest.
fn digest(key: &MacKey, shown: &(impl Serialize + ?Sized)) -> Result<String, Problem> {
    let shown = serde_json::to_vec(shown).map_err(|_| Problem::internal())?;
    Ok(key.tag(&[b"entity tag", &shown]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_named_in_any_list_and_strength() {
        let names = |said: &[&str], tag: &'static str| {
            let said = said.iter().map(|said| HeaderValue::from_str(said).unwrap()).collect();
            IfNoneMatch(said).names(&HeaderValue::from_static(tag))
        };
        for said in ["\"7\"", "W/\"7\"", "*", "\"6\", \"7\"", "\"6\",W/\"7\" "] {
            assert!(names(&[said], "\"7\"") && names(&["\"1\"", said], "W/\"7\""), "{said}");
        }
        for said in ["\"70\"", "7", "\"7", "", ",", "w/\"7\"", "\"7.x\""] {
            assert!(!names(&[said], "\"7\""), "{said}");
        }
        assert!(!names(&[], "\"7\""));
    }
}
