//! `GET /.well-known/jwks.json`

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use platform::http::documented::Served;

use crate::state::AppState;

/// How long a verifier may keep the keys; a new key is published at least this long before it signs.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The keys that verify our access tokens (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "sign-in", operation_id = "jwks",
    responses((status = 200, description = "The key set", body = Object), Served)
)]
pub async fn jwks(State(state): State<AppState>) -> Response {
    let keys = state.context.authenticator.verifier.key_set().clone();
    ([(header::CACHE_CONTROL, CACHE)], Json(keys)).into_response()
}
