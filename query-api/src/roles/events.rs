//! `GET /v1/roles/{id}/events`

use axum::{
    Json,
    extract::{Path, State},
};
use events::{ids::RoleId, permission::Permission, role::RoleEvent};
use platform::http::{Problem, auth::Caller, bodies::EventBody};

use crate::{
    history,
    list::{Items, Paging},
    state::AppState,
};

/// Read a role's whole history, oldest first. Always as new as the log.
#[utoipa::path(
    get, path = "/v1/roles/{id}/events", tag = "roles", operation_id = "role_events",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The role"), Paging),
    responses(
        (status = 200, description = "A page of events", body = Items<EventBody>, headers(("Projection-Lag" = String))),
        (status = 400, description = "A bad query or cursor", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Permission missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such role", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn events(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    paging: Paging,
) -> Result<Json<Items<EventBody>>, Problem> {
    caller.require(Permission::ROLES_READ)?;
    let id: RoleId = id.parse().map_err(|_| Problem::not_found())?;
    history::page::<RoleEvent>(&state, id.into(), &paging).await.map(Json)
}
