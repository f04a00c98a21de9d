//! `GET /v1/notifications`

use axum::{Json, extract::State};
use events::permission::Permission;
use platform::http::{
    Problem,
    auth::Caller,
    consistency::AtLeast,
    documented::{Guarded, ReadAfter, Served, examples},
};

use super::NotificationBody;
use crate::{
    cursor,
    list::{Items, Paging, page},
    state::AppState,
};

const LIST: &str = "notifications";

/// List notifications.
///
/// In the order in which they were requested.
#[utoipa::path(
    get, path = "/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    security(("bearer" = [])),
    params(Paging, ReadAfter),
    responses(
        (status = 200, description = "A page of notifications", body = Items<NotificationBody>, example = json!(examples::page(super::example()))),
        Guarded, Served,
    )
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    paging: Paging,
    at_least: AtLeast,
) -> Result<Json<Items<NotificationBody>>, Problem> {
    caller.require(Permission::NOTIFICATIONS_READ)?;
    let after = paging.place(&state, LIST)?;
    let page = page(&state.notifications, state.context.store(), after, paging.size()?, &at_least).await?;
    let next_page_token = page.next.map(|next| cursor::seal(&state.cursor_key, LIST, &next)).transpose()?;
    Ok(Json(Items { items: page.rows.iter().map(NotificationBody::from).collect(), next_page_token }))
}
