//! `GET /v1/roles`

use axum::{extract::State, response::Response};
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
    conditional::{IfNoneMatch, Same, UnlessSame},
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
    params(Paging, ReadAfter, UnlessSame),
    responses(
        (status = 200, description = "A page of roles", body = Items<RoleBody>, headers(("ETag" = String, description = "Of this part of the list, for `If-None-Match`")), example = json!(examples::page(examples::role()))),
        Same, Guarded, Served,
    )
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    paging: Paging,
    at_least: AtLeast,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    caller.require(Permission::ROLES_READ)?;
    let after = paging.place(&state, LIST)?;
    let page = page(&state.roles, state.context.store(), &Listing::ALL, after, paging.size()?, &at_least).await?;
    let next_page_token = page.next.map(|next| cursor::seal(&state.cursor_key, LIST, &next)).transpose()?;
    let items: Vec<RoleBody> = page.rows.iter().map(RoleBody::from).collect();
    if_none_match.items(&state.tag_key, LIST, Items { items, next_page_token })
}
