//! `PATCH /v1/roles/{id}`

use axum::{extract::State, http::StatusCode, response::Response};
use events::{
    ids::RoleId,
    permission::Permission,
    role::{RoleChanged, RoleCommand},
    values::{Description, Reason, RoleName},
};
use platform::http::{
    Problem,
    auth::Caller,
    documented::{self, Bodied, Guarded, MustMatch, Named, Served, Versioned, values},
    fields::Fields,
    id::Id,
    json::{Body, KnownFields},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Change, level, permissions, whole};
use crate::{
    auth::authority::Authority,
    command::Ask,
    conditions::{Conditions, DryRun, IfMatchRequired, Repeatable},
    state::AppState,
};

/// The fields to change; those left out stay.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "level": 4, "reason": "has more to decide" }))]
pub struct ChangeRole {
    /// New name.
    #[schema(value_type = Option<values::RoleName>)]
    name: Option<String>,
    /// New description.
    #[schema(value_type = Option<values::Description>)]
    description: Option<String>,
    /// New level.
    #[schema(value_type = Option<values::Level>)]
    level: Option<i64>,
    /// New permissions, all of them.
    #[schema(value_type = Option<Vec<values::Permission>>, min_items = 1, max_items = 200)]
    permissions: Option<Vec<String>>,
    /// Why.
    #[schema(value_type = Option<values::Reason>)]
    reason: Option<String>,
}

impl KnownFields for ChangeRole {
    const FIELDS: &'static [&'static str] = &["name", "description", "level", "permissions", "reason"];
}

/// Change a role.
///
/// It takes effect for everybody who has the role within seconds. The `administrator` role cannot be changed.
#[utoipa::path(
    patch, path = "/v1/roles/{id}", tag = "roles", operation_id = "change_role",
    security(("bearer" = [])),
    request_body = ChangeRole,
    params(("id" = Uuid, Path, description = "The role"), IfMatchRequired, Repeatable, DryRun),
    responses(
        documented::RoleChanged,
        (status = 409, description = "`role-name-taken`, `role-retired` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Bodied, Named, Versioned, MustMatch,
    )
)]
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<RoleId>,
    conditions: Conditions,
    Body(request): Body<ChangeRole>,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_WRITE)?;
    conditions.must_match()?;
    let (wish, reason) = parse(request)?;
    let authority = Authority::of(&state, &caller).await?;
    let fingerprint = (id, &wish, &reason);
    let ask = Ask { operation: "change role", actor: caller.actor(), reason: reason.clone() };
    let intent = ask.intent(&state, &conditions, &fingerprint);
    let wish = RoleCommand::Change(wish);
    let executed = Change { state: &state, authority: &authority, wish, conditions: &conditions }.execute(id, &intent);
    Ok(whole(StatusCode::OK, id, &executed.await?))
}

fn parse(request: ChangeRole) -> Result<(RoleChanged, Option<Reason>), Problem> {
    let mut fields = Fields::default();
    let change = RoleChanged {
        name: fields.optional("/name", request.name, |text| RoleName::parse(&text)),
        description: fields.optional("/description", request.description, |text| Description::parse(&text)),
        level: fields.optional("/level", request.level, level),
        permissions: fields.optional("/permissions", request.permissions, permissions),
    };
    let reason = fields.optional("/reason", request.reason, |text| Reason::parse(&text));
    fields.finish(Some((change, reason)))
}
