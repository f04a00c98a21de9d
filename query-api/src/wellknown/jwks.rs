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

/// Read the keys that verify our access tokens.
///
/// A JSON Web Key Set (RFC 7517). It may be kept for as long as `Cache-Control` says: a new key is published before it signs.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "sign-in", operation_id = "jwks",
    responses((status = 200, description = "The key set", body = Object, example = json!({
        "keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k1",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        }]
    })), Served)
)]
pub async fn jwks(State(state): State<AppState>) -> Response {
    let keys = state.context.authenticator.verifier.key_set().clone();
    ([(header::CACHE_CONTROL, CACHE)], Json(keys)).into_response()
}
