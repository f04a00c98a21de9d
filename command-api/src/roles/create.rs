//! `POST /v1/roles`

use axum::{extract::State, http::StatusCode, response::Response};
use events::{
    ids::RoleId,
    permission::Permission,
    role::{RoleCommand, RoleCreated},
    values::{Description, RoleName},
};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::RoleBody,
    fields::Fields,
    json::{Body, KnownFields},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{execute, level, permissions, whole};
use crate::{
    auth::authority::Authority,
    command::{Ask, IdempotencyKey},
    state::AppState,
};

const OPERATION: &str = "create role";

/// A new role.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateRole {
    /// Its name, unique among the active roles; 1 to 100 characters.
    #[schema(required, example = "Dispatcher")]
    name: Option<String>,
    /// What it is for; up to 500 characters.
    #[schema(example = "Plans the day of a branch")]
    description: Option<String>,
    /// How high it stands, 1 to 10.
    #[schema(required, minimum = 1, maximum = 10, example = 3)]
    level: Option<i64>,
    /// What it permits, at least one: `area:action`, or `*` for everything.
    #[schema(required, min_items = 1, example = json!(["users:read"]))]
    permissions: Option<Vec<String>>,
}

impl KnownFields for CreateRole {
    const FIELDS: &'static [&'static str] = &["name", "description", "level", "permissions"];
}

/// Create a role.
///
/// Nobody creates a role above their own level or with a permission they lack.
#[utoipa::path(
    post, path = "/v1/roles", tag = "roles", operation_id = "create_role",
    security(("bearer" = [])),
    request_body = CreateRole,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request, so that it can be repeated safely")),
    responses(
        (status = 201, description = "Created", body = RoleBody,
            headers(("Location" = String), ("ETag" = String), ("Consistency-Token" = String))),
        (status = 400, description = "Not JSON, or a bad header", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing, or above your level", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`role-name-taken` or `conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is not valid, or the key was used for another request", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Body(request): Body<CreateRole>,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_WRITE)?;
    let new = parse(request)?;
    let authority = Authority::of(&state, &caller).await?;
    let id = RoleId(key.created_id(&state, OPERATION, caller.actor()));
    let ask = Ask { operation: OPERATION, actor: caller.actor(), reason: None, expected: None, key: &key };
    let intent = ask.intent(&state, &new);
    let executed = execute(&state, &authority, id, &intent, RoleCommand::Create(new)).await?;
    whole(StatusCode::CREATED, id, &executed)
}

fn parse(request: CreateRole) -> Result<RoleCreated, Problem> {
    let mut fields = Fields::default();
    let name = fields.required("/name", request.name, |text| RoleName::parse(&text));
    let description = fields.optional("/description", request.description, |text| Description::parse(&text));
    let level = fields.required("/level", request.level, level);
    let permissions = fields.required("/permissions", request.permissions, permissions);
    let whole = || {
        Some(RoleCreated {
            name: name?,
            description: description.unwrap_or_else(Description::none),
            level: level?,
            permissions: permissions?,
        })
    };
    fields.finish(whole())
}
