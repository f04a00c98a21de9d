//! `GET /.well-known/jwks.json`

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use platform::{http::documented::Served, tokens::KEY_SET_MAX_AGE};

use crate::state::AppState;

/// Read the keys that verify our access tokens.
///
/// A JSON Web Key Set (RFC 7517) of at most three keys: the one that signs, the one that will sign next, and the one
/// that signed before. It may be kept for as long as `Cache-Control` says: a new key is published before it signs. In an
/// emergency it is not, so a verifier may read the set again for a token whose key it lacks, but not for every one.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "sign-in", operation_id = "jwks",
    responses((status = 200, description = "The key set", body = Object, example = json!({
        "keys": [
            {
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
            },
            {
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
                "kid": "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
            }
        ]
    })), Served)
)]
pub async fn jwks(State(state): State<AppState>) -> Response {
    let keys = state.context.authenticator.verifier.key_set();
    ([(header::CACHE_CONTROL, cached())], Json(keys)).into_response()
}

/// How long what verifiers need may be kept.
pub(super) fn cached() -> String {
    format!("public, max-age={}", KEY_SET_MAX_AGE.num_seconds())
}
