//! The methods of a path whose other methods another service answers. The load balancer routes by method alone, so each
//! service is asked for paths that only the other one has: they are 405 and not 404, with the methods of both.

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    routing::{MethodFilter, MethodRouter, on},
};
use utoipa::openapi::{OpenApi, PathItem};

use super::Problem;

/// 405.
pub fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This path knows other methods")
}

/// Routes for what `other` has. No operation may stand in both documents.
pub fn elsewhere(own: &OpenApi, other: &OpenApi) -> Router {
    let mut router = Router::new();
    for (path, item) in &other.paths.paths {
        let here = own.paths.paths.get(path).map(methods).unwrap_or_default();
        let there = methods(item);
        let allow = allow(here.iter().chain(&there).map(|(name, _)| *name));
        let mut routes = MethodRouter::new();
        for (_, method) in there {
            let allow = allow.clone();
            routes = routes.merge(on(method, || async { not_allowed().header(header::ALLOW, allow) }));
        }
        router = router.route(path, routes);
    }
    router
}

fn methods(item: &PathItem) -> Vec<(&'static str, MethodFilter)> {
    let all = [
        ("GET,HEAD", MethodFilter::GET, &item.get),
        ("POST", MethodFilter::POST, &item.post),
        ("PUT", MethodFilter::PUT, &item.put),
        ("PATCH", MethodFilter::PATCH, &item.patch),
        ("DELETE", MethodFilter::DELETE, &item.delete),
    ];
    all.into_iter().filter_map(|(name, method, operation)| operation.as_ref().map(|_| (name, method))).collect()
}

fn allow(names: impl Iterator<Item = &'static str>) -> HeaderValue {
    let names: Vec<&str> = names.collect();
    HeaderValue::try_from(names.join(",")).unwrap_or(HeaderValue::from_static(""))
}
