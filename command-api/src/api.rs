//! The table of contents: every route of command-api with its document.

use axum::middleware::from_fn;
use platform::http::{
    Problem,
    bodies::{Changed, DryRunBody, PreferencesBody, RoleBody, UserBody},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{auth, roles, state::AppState, users, webhooks};

/// Every route. One that is not documented cannot be added here.
pub fn routes(state: AppState) -> OpenApiRouter {
    documented().with_state(state)
}

/// The document of both APIs, as query-api's test keeps it. Services do not import each other.
pub const BOTH: &str = include_str!("../../query-api/openapi.json");

/// The schemas that only shared answers name.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Problem, Changed<UserBody>, Changed<PreferencesBody>, Changed<RoleBody>, DryRunBody)))]
struct Schemas;

fn documented() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(<Schemas as utoipa::OpenApi>::openapi())
        .routes(routes!(auth::login::login))
        .routes(routes!(auth::login_code::send_code))
        .routes(routes!(auth::mfa::draw_totp, auth::mfa::remove_totp))
        .routes(routes!(auth::mfa::confirm_totp))
        .routes(routes!(auth::mfa::send_sms, auth::mfa::remove_sms))
        .routes(routes!(auth::mfa::confirm_sms))
        .routes(routes!(auth::mfa::draw_recovery_codes))
        .routes(routes!(auth::refresh::refresh))
        .routes(routes!(auth::password::change_password))
        .routes(routes!(auth::reset::request))
        .routes(routes!(auth::reset::confirm))
        .routes(routes!(auth::invitation::accept))
        .routes(routes!(auth::sign_out::logout))
        .routes(routes!(auth::sign_out::end_own_sessions))
        .routes(routes!(auth::sign_out::end_own_session))
        .routes(routes!(users::create::create))
        .routes(routes!(users::import::import))
        .routes(routes!(users::change::change))
        .routes(routes!(users::change_own::change_own))
        .routes(routes!(users::preferences::set_preferences))
        .routes(routes!(users::invite::invite))
        .routes(routes!(users::require_password_change::require_password_change))
        .routes(routes!(users::suspend::suspend))
        .routes(routes!(users::reactivate::reactivate))
        .routes(routes!(users::erase::erase))
        .routes(routes!(users::remove_factors::remove_factors))
        .routes(routes!(users::end_sessions::end_sessions))
        .routes(routes!(users::end_sessions::end_session))
        .routes(routes!(users::assign_role::assign_role, users::revoke_role::revoke_role))
        .routes(routes!(roles::create::create))
        .routes(routes!(roles::change::change, roles::retire::retire))
        .merge(told_by_telnyx())
}

/// Those that have less time than the others.
fn told_by_telnyx() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(webhooks::receipt::receipt))
        .routes(routes!(webhooks::profile::profile))
        .layer(from_fn(webhooks::in_time))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use platform::http::document::{kept, titled};

    #[test]
    fn the_kept_document_is_the_codes() {
        let document = titled(super::documented().into_openapi(), "FieldFuze command-api");
        kept(&document, &Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json")).unwrap();
    }
}
