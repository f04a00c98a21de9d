//! `GET /v1/roles`

use axum::{Json, extract::State};
use events::permission::Permission;
use platform::{
    http::{
        Problem,
        auth::Caller,
        bodies::RoleBody,
        consistency::AtLeast,
        documented::{Guarded, ReadAfter, Served, examples},
    },
    rows::Listing,
};

use crate::{
    cursor,
    list::{Items, Paging, page},
    state::AppState,
};

const LIST: &str = "roles";

/// List roles.
///
/// Retired ones too, in the order in which they were created.
#[utoipa::path(
    get, path = "/v1/roles", tag = "roles", operation_id = "list_roles",
    security(("bearer" = [])),
    params(Paging, ReadAfter),
    responses(
        (status = 200, description = "A page of roles", body = Items<RoleBody>, example = json!(examples::page(examples::role()))),
        Guarded, Served,
    )
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    paging: Paging,
    at_least: AtLeast,
) -> Result<Json<Items<RoleBody>>, Problem> {
    caller.require(Permission::ROLES_READ)?;
    let after = paging.place(&state, LIST)?;
    let page = page(&state.roles, state.context.store(), &Listing::ALL, after, paging.size()?, &at_least).await?;
    let next_page_token = page.next.map(|next| cursor::seal(&state.cursor_key, LIST, &next)).transpose()?;
    Ok(Json(Items { items: page.rows.iter().map(RoleBody::from).collect(), next_page_token }))
}
