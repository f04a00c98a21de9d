//! `GET /v1/users:export`

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use events::permission::Permission;
use futures::stream;
use platform::{
    http::{
        Problem,
        auth::Caller,
        bodies::UserBody,
        consistency::AtLeast,
        documented::{Guarded, ReadAfter, Served, examples},
    },
    rows::{ListKey, Listing},
};

use super::bodies;
use crate::{
    list::{PAGE_OF_AN_EXPORT, page},
    state::AppState,
};

/// Read every user, in the order in which they were registered, one a line.
///
/// A stream of any length. It breaks off without its last line's end when something stops answering on the way.
#[utoipa::path(
    get, path = "/v1/users:export", tag = "users", operation_id = "export_users",
    security(("bearer" = [])),
    params(ReadAfter),
    responses(
        (status = 200, description = "One user a line (NDJSON)", body = UserBody, content_type = "application/x-ndjson",
            example = json!(examples::user())),
        Guarded, Served,
    )
)]
pub async fn export_all(State(state): State<AppState>, caller: Caller, at_least: AtLeast) -> Result<Response, Problem> {
    caller.require(Permission::USERS_READ)?;
    let first = lines(&state, None, &at_least).await?;
    let pages = stream::try_unfold(Some(first), move |read| {
        let (state, at_least, caller) = (state.clone(), at_least.clone(), caller.clone());
        async move {
            let Some((text, next)) = read else { return Ok::<_, Problem>(None) };
            caller.still_holds(&state.context.authenticator, Permission::USERS_READ).await?;
            let following = match next {
                Some(next) => Some(lines(&state, Some(next), &at_least).await?),
                None => None,
            };
            Ok(Some((text, following)))
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pages)).into_response())
}

async fn lines(
    state: &AppState,
    after: Option<ListKey>,
    at_least: &AtLeast,
) -> Result<(Bytes, Option<ListKey>), Problem> {
    let page = page(&state.users, state.context.store(), &Listing::ALL, after, PAGE_OF_AN_EXPORT, at_least).await?;
    let mut text = Vec::new();
    for body in bodies(state, &page.rows, at_least).await? {
        serde_json::to_writer(&mut text, &body).map_err(|_| Problem::internal())?;
        text.push(b'\n');
    }
    Ok((text.into(), page.next))
}
