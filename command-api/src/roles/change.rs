//! `PATCH /v1/roles/{id}`

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use events::{
    ids::RoleId,
    permission::Permission,
    role::{RoleChanged, RoleCommand},
    values::{Description, RoleName},
};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::RoleBody,
    consistency::IfMatch,
    fields::Fields,
    json::{Body, KnownFields},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{execute, level, permissions, whole};
use crate::{
    auth::authority::Authority,
    command::{Ask, IdempotencyKey, entity_id},
    state::AppState,
};

/// The fields to change; those left out stay.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChangeRole {
    /// New name.
    name: Option<String>,
    /// New description.
    description: Option<String>,
    /// New level, 1 to 10.
    #[schema(minimum = 1, maximum = 10)]
    level: Option<i64>,
    /// New permissions, all of them.
    #[schema(min_items = 1)]
    permissions: Option<Vec<String>>,
}

impl KnownFields for ChangeRole {
    const FIELDS: &'static [&'static str] = &["name", "description", "level", "permissions"];
}

/// Change a role.
///
/// It takes effect for everybody who has the role within seconds. The `administrator` role cannot be changed.
#[utoipa::path(
    patch, path = "/v1/roles/{id}", tag = "roles", operation_id = "change_role",
    security(("bearer" = [])),
    request_body = ChangeRole,
    params(
        ("id" = Uuid, Path, description = "The role"),
        ("If-Match" = String, Header, description = "The ETag that you read, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely"),
    ),
    responses(
        (status = 200, description = "The whole role", body = RoleBody, headers(("ETag" = String), ("Consistency-Token" = String))),
        (status = 400, description = "Not JSON, or a bad header", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing, or above your level", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such role", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`role-name-taken`, `role-retired` or `conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Changed since you read it", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    if_match: IfMatch,
    key: IdempotencyKey,
    Body(request): Body<ChangeRole>,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_WRITE)?;
    let id: RoleId = entity_id(&id)?;
    let expected = Some(if_match.required()?);
    let wish = parse(request)?;
    let authority = Authority::of(&state, &caller).await?;
    let ask = Ask { operation: "change role", actor: caller.actor(), reason: None, expected, key: &key };
    let intent = ask.intent(&state, &(id, &wish));
    let executed = execute(&state, &authority, id, &intent, RoleCommand::Change(wish)).await?;
    whole(StatusCode::OK, id, &executed)
}

fn parse(request: ChangeRole) -> Result<RoleChanged, Problem> {
    let mut fields = Fields::default();
    let change = RoleChanged {
        name: fields.optional("/name", request.name, |text| RoleName::parse(&text)),
        description: fields.optional("/description", request.description, |text| Description::parse(&text)),
        level: fields.optional("/level", request.level, level),
        permissions: fields.optional("/permissions", request.permissions, permissions),
    };
    fields.finish(Some(change))
}
