//! `POST /v1/users`

use axum::{extract::State, http::StatusCode, response::Response};
use events::permission::Permission;
use platform::http::{
    Problem,
    auth::Caller,
    bodies::UserBody,
    documented::{Bodied, Guarded, Served, Validated, Versioned},
    json::Body,
};

use super::{
    register::{CreateUser, register},
    whole,
};
use crate::{
    conditions::{Conditions, DryRun, Repeatable},
    state::AppState,
};

/// Create a user.
///
/// Without a password the user is `invited`; either way they get one welcome message.
#[utoipa::path(
    post, path = "/v1/users", tag = "users", operation_id = "create_user",
    security(("bearer" = [])),
    request_body = CreateUser,
    params(Repeatable, DryRun),
    responses(
        (status = 201, description = "The whole user", body = UserBody, headers(
            ("Location" = String, description = "The user's path"),
            ("ETag" = String, description = "The version, for `If-Match`"),
            ("Consistency-Token" = String, description = "For reads that must not be older"),
            ("Idempotent-Replayed" = String, description = "`true` when this is an earlier answer again"),
        )),
        (status = 409, description = "`email-taken`, `username-taken`, `user-exists` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Validated, Guarded, Served, Bodied, Versioned,
    )
)]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    conditions: Conditions,
    Body(request): Body<CreateUser>,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_WRITE)?;
    let (id, executed) = register(&state, caller.actor(), &conditions, request).await?;
    whole(&state, StatusCode::CREATED, id, &executed).await
}
