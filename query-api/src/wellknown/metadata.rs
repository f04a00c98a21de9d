//! `GET /.well-known/openid-configuration`

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use platform::{crypto::SigningAlgorithm, http::documented::Served};
use serde::Serialize;
use utoipa::ToSchema;

use super::jwks::cached;
use crate::state::AppState;

/// What a verifier can find out about whoever issues our access tokens, by the names of RFC 8414 and of OpenID Connect
/// Discovery 1.0.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "issuer": "https://api.example.com", "jwks_uri": "https://api.example.com/.well-known/jwks.json",
    "id_token_signing_alg_values_supported": ["EdDSA", "ES256"], "subject_types_supported": ["public"],
    "service_documentation": "https://api.example.com/docs"
}))]
pub struct Metadata {
    /// What `iss` of our tokens says.
    issuer: String,
    /// Where the keys are.
    jwks_uri: String,
    /// How our access tokens may be signed. There are no ID tokens, but no other name for this is registered.
    #[schema(min_items = 1)]
    id_token_signing_alg_values_supported: [String; 2],
    /// `sub` is the same for everybody.
    #[schema(min_items = 1)]
    subject_types_supported: [&'static str; 1],
    /// Where people read on.
    service_documentation: String,
}

/// Read where a verifier finds what it needs.
///
/// Issuer, key set and algorithms, for libraries that are told an issuer and find out the rest. It is no promise of
/// OpenID Connect or OAuth 2: there is no authorization endpoint, and sign-in is not RFC 6749's token endpoint, so
/// neither is named. Like the key set it may be kept for as long as `Cache-Control` says.
#[utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = "sign-in", operation_id = "issuer_metadata",
    responses((status = 200, description = "The issuer", body = Metadata), Served)
)]
pub async fn metadata(State(state): State<AppState>) -> Response {
    let issuer = state.context.authenticator.verifier.issuer();
    let base = issuer.trim_end_matches('/');
    let metadata = Metadata {
        jwks_uri: format!("{base}/.well-known/jwks.json"),
        service_documentation: format!("{base}/docs"),
        issuer: issuer.to_owned(),
        id_token_signing_alg_values_supported: [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256]
            .map(|algorithm| algorithm.to_string()),
        subject_types_supported: ["public"],
    };
    ([(header::CACHE_CONTROL, cached())], Json(metadata)).into_response()
}
