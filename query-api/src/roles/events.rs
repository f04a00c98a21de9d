//! `GET /v1/roles/{id}/events`

use axum::{Json, extract::State};
use events::{ids::RoleId, permission::Permission, role::RoleEvent};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::EventBody,
    documented::{Guarded, Named, Served},
    id::Id,
};

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
        (status = 200, description = "A page of events", body = Items<EventBody>, headers(("Projection-Lag" = String, description = "Milliseconds that the read models are behind, or `unknown`"))),
        Guarded, Served, Named,
    )
)]
pub async fn events(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<RoleId>,
    paging: Paging,
) -> Result<Json<Items<EventBody>>, Problem> {
    caller.require(Permission::ROLES_READ)?;
    history::page::<RoleEvent>(&state, id.into(), &paging).await.map(Json)
}
