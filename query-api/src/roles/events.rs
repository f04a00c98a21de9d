//! `GET /v1/roles/{id}/events`

use axum::{Json, extract::State};
use events::{ids::RoleId, permission::Permission, role::RoleEvent};
use platform::http::{
    Problem,
    auth::Caller,
    bodies::EventBody,
    documented::{Guarded, Named, Served, examples},
    id::Id,
};

use crate::{
    history,
    list::{Items, Paging},
    state::AppState,
};

/// Read a role's whole history.
///
/// Oldest first, and always as new as the log. A page ends between commits, so it may hold a few events more than asked for.
#[utoipa::path(
    get, path = "/v1/roles/{id}/events", tag = "roles", operation_id = "role_events",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The role"), Paging),
    responses(
        (status = 200, description = "A page of events", body = Items<EventBody>, example = json!(examples::page(examples::event()))),
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
