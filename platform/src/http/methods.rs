//! The methods of a path whose other methods another service answers. The load balancer routes by method alone, so each
//! service is asked for paths that only the other one has: they are 405 and not 404, with the methods of both.

use std::collections::BTreeMap;

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    routing::{MethodFilter, on},
};
use serde::{Deserialize, de::IgnoredAny};
use utoipa::openapi::{OpenApi, PathItem};

use super::Problem;

/// 405.
pub fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This path knows other methods")
}

/// Routes for what `whole`, the document of both services, has beside `own`. No operation stands in the documents of both.
///
/// # Errors
/// When `whole` is no such document.
pub fn elsewhere(own: &OpenApi, whole: &str) -> serde_json::Result<Router> {
    let whole: Outline = serde_json::from_str(whole)?;
    let mut router = Router::new();
    for (path, item) in &whole.paths {
        let here = own.paths.paths.get(path).map(methods).unwrap_or_default();
        let all = || METHODS.iter().filter(|(name, ..)| item.contains_key(*name));
        let mut there = all().filter(|(name, ..)| !here.contains(name)).map(|(.., method)| *method);
        let Some(first) = there.next() else { continue };
        let allow = allow(all().map(|(_, allowed, _)| *allowed));
        let there = there.fold(first, MethodFilter::or);
        router = router.route(path, on(there, || async { not_allowed().header(header::ALLOW, allow) }));
    }
    Ok(router)
}

/// What a document says of paths and methods: all that is needed of it here.
#[derive(Deserialize)]
#[expect(clippy::zero_sized_map_values, reason = "it is a map in the document")]
struct Outline {
    paths: BTreeMap<String, BTreeMap<String, IgnoredAny>>,
}

/// How a document, and how `Allow` names a method.
const METHODS: [(&str, &str, MethodFilter); 5] = [
    ("get", "GET,HEAD", MethodFilter::GET),
    ("post", "POST", MethodFilter::POST),
    ("put", "PUT", MethodFilter::PUT),
    ("patch", "PATCH", MethodFilter::PATCH),
    ("delete", "DELETE", MethodFilter::DELETE),
];

/// The methods of a path as a document names them.
fn methods(item: &PathItem) -> Vec<&'static str> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    let all = [get, post, put, patch, delete].into_iter().zip(METHODS);
    all.filter_map(|(operation, (name, ..))| operation.as_ref().map(|_| name)).collect()
}

fn allow(names: impl Iterator<Item = &'static str>) -> HeaderValue {
    let names: Vec<&str> = names.collect();
    HeaderValue::try_from(names.join(",")).unwrap_or(HeaderValue::from_static(""))
}
