//! `GET /v1/notifications`

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use events::{
    ids::UserId,
    notification::Delivery,
    permission::Permission,
    reaction::Notifying,
    stream::{Category, Version},
    user::UserEvent,
    views::Facet,
};
use platform::{
    http::{
        Problem,
        auth::Caller,
        consistency::{AtLeast, version_beyond_the_stream},
        documented::{Guarded, ReadAfter, Served, examples},
    },
    rows::Listing,
    store::Range,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::NotificationBody;
use crate::{
    conditional::{IfNoneMatch, Same, UnlessSame},
    cursor,
    list::{Items, Paging, invalid_query, page},
    state::AppState,
    wait,
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
/// In the order in which they were requested. With a Consistency-Token of a user it waits up to 5 s for the notifications
/// that the write caused.
#[utoipa::path(
    get, path = "/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    security(("bearer" = [])),
    params(Wanted, ReadAfter, UnlessSame),
    responses(
        (status = 200, description = "A page of notifications", body = Items<NotificationBody>, headers(("ETag" = String, description = "Of this part of the list, for `If-None-Match`")), example = json!(examples::page(super::example()))),
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
    caller.require(Permission::NOTIFICATIONS_READ)?;
    let Query(wanted) = wanted.map_err(|_| invalid_query())?;
    let paging = Paging::new(wanted.page_size, wanted.page_token);
    let size = paging.size()?;
    // One user has few notifications, so of those the ones of a status are picked out of the page.
    let facet = wanted.user_id.map(Facet::NotificationTo).or(wanted.status.map(Facet::NotificationStatus));
    let listing = Listing { facet, ..Listing::ALL };
    let list = format!("notifications {} {:?}", listing.name(), wanted.status);
    let after = paging.place(&state, &list)?;
    let at_least = with_caused(&state, at_least).await?;
    let page = page(&state.notifications, state.context.store(), &listing, after, size, &at_least).await?;
    let next_page_token = page.next.map(|next| cursor::seal(&state.cursor_key, &list, &next)).transpose()?;
    let shown = page.rows.iter().filter(|row| wanted.status.is_none_or(|status| row.status == status));
    let items: Vec<NotificationBody> = shown.map(NotificationBody::from).collect();
    if_none_match.items(&state.tag_key, &list, Items { items, next_page_token })
}

/// What is asked for, and the notifications that the commits of users among it caused, once they are there.
async fn with_caused(state: &AppState, mut at_least: AtLeast) -> Result<AtLeast, Problem> {
    let asked: Vec<_> = at_least.iter().filter(|(stream, _)| stream.category == Category::User).collect();
    for (stream, version) in asked {
        let range = Range { after: Version(version.0 - 1), until: Some(version) };
        let commits = state.context.store().read::<UserEvent>(stream, range, 1).await?;
        let commit = commits.first().ok_or_else(version_beyond_the_stream)?;
        for caused in commit.events.iter().filter_map(UserEvent::reaction) {
            wait::until(|| async { Ok(state.notifications.get(caused.id.0, true).await?.is_some()) }).await?;
            at_least.and(caused.id.into(), Version(1));
        }
    }
    Ok(at_least)
}
