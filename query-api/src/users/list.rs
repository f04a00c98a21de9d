//! `GET /v1/users`

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use events::{
    ids::RoleId,
    permission::Permission,
    user::Status,
    views::{Facet, MAX_PREFIX_BYTES, Order, folded},
};
use platform::{
    http::{
        Problem,
        auth::Caller,
        bodies::UserBody,
        consistency::AtLeast,
        documented::{Guarded, ReadAfter, Served, examples},
    },
    rows::Listing,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::bodies;
use crate::{
    conditional::{IfNoneMatch, Same, UnlessSame},
    cursor,
    list::{Items, Paging, invalid_query, no_such_list, page},
    state::AppState,
};

/// The lists that an index serves, told to whoever asks for another one.
const LISTS: &str = "status or role_id, not both; sort is created_at, -created_at, name or email; name_prefix only with \
    sort=name, email_prefix only with sort=email, and each at most 512 bytes";

/// Which users, and in which order.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only users of this status: `invited`, `active`, `suspended` or `erased`.
    #[param(nullable = false, value_type = Option<String>, pattern = "^(invited|active|suspended|erased)$")]
    status: Option<Status>,
    /// Only users who have this role. Not together with `status`.
    #[param(nullable = false, value_type = Option<uuid::Uuid>)]
    role_id: Option<RoleId>,
    /// Only users whose last name, a space and first name begin so, in any case. Orders by name.
    #[param(nullable = false, max_length = 512)]
    name_prefix: Option<String>,
    /// Only users whose e-mail address begins so, in any case. Orders by address.
    #[param(nullable = false, max_length = 512)]
    email_prefix: Option<String>,
    /// By what they are ordered; by the prefix that is given, or else `created_at`.
    #[param(nullable = false, inline)]
    sort: Option<Sort>,
    /// Items of a page, 1 to 200; 50 unless said otherwise.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// Where to go on: `next_page_token` of the page before.
    #[param(nullable = false, pattern = "^([A-Za-z0-9_-]{39,2048})?$")]
    page_token: Option<String>,
}

/// An order of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
pub enum Sort {
    /// The one who was registered first comes first.
    #[serde(rename = "created_at")]
    Created,
    /// The one who was registered last comes first.
    #[serde(rename = "-created_at")]
    CreatedDescending,
    /// By last name, then first name. Erased users are left out.
    #[serde(rename = "name")]
    Name,
    /// By e-mail address. Erased users are left out.
    #[serde(rename = "email")]
    Email,
}

impl Wanted {
    /// The list, if there is one.
    fn listing(&self) -> Result<Listing, Problem> {
        let refuse = || no_such_list(LISTS);
        let facet = match (self.status, self.role_id) {
            (Some(_), Some(_)) => return Err(refuse()),
            (status, role) => status.map(Facet::UserStatus).or(role.map(Facet::UserRole)),
        };
        let (by_prefix, prefix) = match (&self.name_prefix, &self.email_prefix) {
            (Some(_), Some(_)) => return Err(refuse()),
            (Some(name), None) => (Some(Sort::Name), folded(name)),
            (None, Some(email)) => (Some(Sort::Email), folded(email)),
            (None, None) => (None, String::new()),
        };
        if by_prefix.is_some() && self.sort.is_some() && self.sort != by_prefix || prefix.len() > MAX_PREFIX_BYTES {
            return Err(refuse());
        }
        let (order, descending) = match self.sort.or(by_prefix).unwrap_or(Sort::Created) {
            Sort::Created => (Order::Created, false),
            Sort::CreatedDescending => (Order::Created, true),
            Sort::Name => (Order::Name, false),
            Sort::Email => (Order::Email, false),
        };
        Ok(Listing { order, descending, facet, prefix })
    }
}

/// List users.
///
/// In the order in which they were registered, unless said otherwise; erased ones are left as ids. A page may be shorter
/// than asked for although more follow.
#[utoipa::path(
    get, path = "/v1/users", tag = "users", operation_id = "list_users",
    security(("bearer" = [])),
    params(Wanted, ReadAfter, UnlessSame),
    responses(
        (status = 200, description = "A page of users", body = Items<UserBody>, headers(("ETag" = String, description = "Of this part of the list, for `If-None-Match`")), example = json!(examples::page(examples::user()))),
        Same, Guarded, Served,
    )
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    wanted: Result<Query<Wanted>, QueryRejection>,
    at_least: AtLeast,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_READ)?;
    let Query(wanted) = wanted.map_err(|_| invalid_query())?;
    let listing = wanted.listing()?;
    let paging = Paging::new(wanted.page_size, wanted.page_token);
    let list = format!("users {}", listing.name());
    let after = paging.place(&state, &list)?;
    let page = page(&state.users, state.context.store(), &listing, after, paging.size()?, &at_least).await?;
    let next_page_token = page.next.map(|next| cursor::seal(&state.cursor_key, &list, &next)).transpose()?;
    let mut users = page.rows;
    if let Some(role) = wanted.role_id {
        // An assignment that has ended stays in the history and the row, but is shown nowhere.
        let now = state.context.clock.now();
        users.retain(|user| user.roles.iter().any(|held| held.role_id == role && held.holds_at(now)));
    }
    let items = Items { items: bodies(&state, &users, &at_least).await?, next_page_token };
    if_none_match.items(&state.tag_key, &list, items)
}
