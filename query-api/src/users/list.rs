//! `GET /v1/users`

use axum::{Json, extract::State};
use events::permission::Permission;
use platform::http::{
    Problem,
    auth::Caller,
    bodies::UserBody,
    consistency::AtLeast,
    documented::{Guarded, ReadAfter, Served, examples},
};

use super::bodies;
use crate::{
    cursor,
    list::{Items, Paging, page},
    state::AppState,
};

const LIST: &str = "users";

/// List users.
///
/// In the order in which they were registered; erased ones are left as ids.
#[utoipa::path(
    get, path = "/v1/users", tag = "users", operation_id = "list_users",
    security(("bearer" = [])),
    params(Paging, ReadAfter),
    responses(
        (status = 200, description = "A page of users", body = Items<UserBody>, example = json!(examples::page(examples::user()))),
        Guarded, Served,
    )
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    paging: Paging,
    at_least: AtLeast,
) -> Result<Json<Items<UserBody>>, Problem> {
    caller.require(Permission::USERS_READ)?;
    let after = paging.place(&state, LIST)?;
    let page = page(&state.users, state.context.store(), after, paging.size()?, &at_least).await?;
    let next_page_token = page.next.map(|next| cursor::seal(&state.cursor_key, LIST, &next)).transpose()?;
    Ok(Json(Items { items: bodies(&state, &page.rows, &at_least).await?, next_page_token }))
}
