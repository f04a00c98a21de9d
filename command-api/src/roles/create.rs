//! `POST /v1/roles`

use axum::{extract::State, http::StatusCode, response::Response};
use events::{
    ids::RoleId,
    permission::Permission,
    role::{RoleCommand, RoleCreated},
    values::{Description, Reason, RoleName},
};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::RoleBody,
    documented::{Bodied, Guarded, Served, Validated, Versioned, values},
    fields::Fields,
    json::{Body, KnownFields},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Change, level, permissions, whole};
use crate::{
    auth::authority::Authority,
    command::Ask,
    conditions::{Conditions, DryRun, Repeatable},
    state::AppState,
};

const OPERATION: &str = "create role";

/// A new role.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "name": "Dispatcher", "description": "Plans the day of a branch", "level": 3, "permissions": ["users:read"]
}))]
pub struct CreateRole {
    /// Its name.
    #[schema(required, nullable = false, value_type = values::RoleName)]
    name: Option<String>,
    /// What it is for.
    #[schema(value_type = Option<values::Description>)]
    description: Option<String>,
    /// How high it stands.
    #[schema(required, nullable = false, value_type = values::Level)]
    level: Option<i64>,
    /// What it permits.
    #[schema(required, nullable = false, value_type = Vec<values::Permission>, min_items = 1, max_items = 200)]
    permissions: Option<Vec<String>>,
    /// Why.
    #[schema(value_type = Option<values::Reason>)]
    reason: Option<String>,
}

impl KnownFields for CreateRole {
    const FIELDS: &'static [&'static str] = &["name", "description", "level", "permissions", "reason"];
}

/// Create a role.
///
/// Nobody creates a role above their own level or with a permission they lack.
#[utoipa::path(
    post, path = "/v1/roles", tag = "roles", operation_id = "create_role",
    security(("bearer" = [])),
    request_body = CreateRole,
    params(Repeatable, DryRun),
    responses(
        (status = 201, description = "The whole role", body = RoleBody, headers(
            ("Location" = String, description = "The role's path"),
            ("ETag" = String, description = "The version, for `If-Match`"),
            ("Consistency-Token" = String, description = "For reads that must not be older"),
            ("Idempotent-Replayed" = String, description = "`true` when this is an earlier answer again"),
        )),
        (status = 409, description = "`role-name-taken`, `role-exists` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Validated, Guarded, Served, Bodied, Versioned,
    )
)]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    conditions: Conditions,
    Body(request): Body<CreateRole>,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_WRITE)?;
    let (new, reason) = parse(request)?;
    let authority = Authority::of(&state, &caller).await?;
    let id = RoleId(conditions.created_id(&state, OPERATION, caller.actor()));
    let fingerprint = (&new, &reason);
    let ask = Ask { operation: OPERATION, actor: caller.actor(), reason: reason.clone() };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    let wish = RoleCommand::Create(new);
    let executed = Change { state: &state, authority: &authority, wish, conditions: &conditions }.execute(id, &intent);
    Ok(whole(StatusCode::CREATED, id, &executed.await?))
}

fn parse(request: CreateRole) -> Result<(RoleCreated, Option<Reason>), Problem> {
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
    let reason = fields.optional("/reason", request.reason, |text| Reason::parse(&text));
    fields.finish(whole().map(|whole| (whole, reason)))
}
