//! Refuses a query string where none is known: a parameter that is ignored would do something else than its sender meant.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::Problem;

/// 400 when a route that knows no parameters is asked with a query string.
pub async fn refuse_unknown(knows: impl Fn(&str) -> bool, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let asked = request.uri().query().is_some_and(|query| !query.is_empty());
    if asked && !knows(route) {
        return Problem::bad_request("invalid-query", "This route knows no parameters").into_response();
    }
    next.run(request).await
}
