//! `GET /v1/users/{id}/events`

use axum::{Json, extract::State};
use events::{ids::UserId, permission::Permission, user::UserEvent};
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

/// Read a user's whole history.
///
/// Oldest first, and always as new as the log. A page ends between commits, so it may hold a few events more than asked for.
#[utoipa::path(
    get, path = "/v1/users/{id}/events", tag = "users", operation_id = "user_events",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The user"), Paging),
    responses(
        (status = 200, description = "A page of events", body = Items<EventBody>, example = json!(examples::page(examples::event()))),
        Guarded, Served, Named,
    )
)]
pub async fn events(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    paging: Paging,
) -> Result<Json<Items<EventBody>>, Problem> {
    caller.require(Permission::USERS_READ)?;
    history::page::<UserEvent>(&state, id.into(), &paging).await.map(Json)
}
