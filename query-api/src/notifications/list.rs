//! `GET /v1/notifications`

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use events::{ids::UserId, notification::Delivery, permission::Permission, views::Facet};
use platform::{
    http::{
        Problem,
        auth::Caller,
        consistency::AtLeast,
        documented::{Guarded, ReadAfter, Served, examples},
    },
    rows::Listing,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::NotificationBody;
use crate::{
    cursor,
    list::{Items, Paging, invalid_query, page},
    state::AppState,
};

/// Which notifications.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only notifications of this status.
    #[param(
        nullable = false,
        value_type = Option<String>,
        pattern = "^(pending|sending|unknown|accepted|sent|delivered|failed|expired|suppressed|dead)$"
    )]
    status: Option<Delivery>,
    /// Only notifications that tell this user. Together with `status` a page may be short or empty and still say where to
    /// go on.
    #[param(nullable = false, value_type = Option<uuid::Uuid>)]
    user_id: Option<UserId>,
    /// Items of a page, 1 to 200; 50 unless said otherwise.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// Where to go on: `next_page_token` of the page before.
    #[param(nullable = false, pattern = "^([A-Za-z0-9_-]{39,2048})?$")]
    page_token: Option<String>,
}

/// List notifications.
///
/// In the order in which they were requested.
#[utoipa::path(
    get, path = "/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    security(("bearer" = [])),
    params(Wanted, ReadAfter),
    responses(
        (status = 200, description = "A page of notifications", body = Items<NotificationBody>, example = json!(examples::page(super::example()))),
        Guarded, Served,
    )
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    wanted: Result<Query<Wanted>, QueryRejection>,
    at_least: AtLeast,
) -> Result<Json<Items<NotificationBody>>, Problem> {
    caller.require(Permission::NOTIFICATIONS_READ)?;
    let Query(wanted) = wanted.map_err(|_| invalid_query())?;
    let paging = Paging::new(wanted.page_size, wanted.page_token);
    let size = paging.size()?;
    // One user has few notifications, so of those the ones of a status are picked out of the page.
    let facet = wanted.user_id.map(Facet::NotificationTo).or(wanted.status.map(Facet::NotificationStatus));
    let listing = Listing { facet, ..Listing::ALL };
    let list = format!("notifications {} {:?}", listing.name(), wanted.status);
    let after = paging.place(&state, &list)?;
    let page = page(&state.notifications, state.context.store(), &listing, after, size, &at_least).await?;
    let next_page_token = page.next.map(|next| cursor::seal(&state.cursor_key, &list, &next)).transpose()?;
    let shown = page.rows.iter().filter(|row| wanted.status.is_none_or(|status| row.status == status));
    Ok(Json(Items { items: shown.map(NotificationBody::from).collect(), next_page_token }))
}
