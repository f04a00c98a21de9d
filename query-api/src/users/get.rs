//! `GET /v1/users/{id}`

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use events::{
    ids::UserId,
    permission::Permission,
    role::Role,
    stream::Version,
    user::{Status, User, UserState},
};
use futures::future::try_join_all;
use platform::http::{
    Problem,
    auth::Caller,
    bodies::UserBody,
    consistency::AtLeast,
    documented::{Erasable, Guarded, Named, ReadAfter, Served},
    id::Id,
};

use super::bodies;
use crate::{
    conditional::{IfNoneMatch, Same, UnlessSame},
    fresh,
    moment::{self, AsOf},
    state::AppState,
};

/// Read a user.
///
/// With a Consistency-Token never older than that write; the roles' names too. With `at` everything is as it was then:
/// the roles that they had, by the names that those had.
#[utoipa::path(
    get, path = "/v1/users/{id}", tag = "users", operation_id = "get_user",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The user"), AsOf, ReadAfter, UnlessSame),
    responses(
        (status = 200, description = "The user", body = UserBody, headers(("ETag" = String, description = "The version, for `If-Match`, and for `If-None-Match`"))),
        Same, Guarded, Served, Named, Erasable,
    )
)]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    as_of: AsOf,
    at_least: AtLeast,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    caller.require(Permission::USERS_READ)?;
    let (version, body) = match as_of.at {
        Some(at) => as_of_then(&state, id, at, &at_least).await?,
        None => current(&state, id, &at_least).await?,
    };
    if_none_match.entity(&state.tag_key, (id.into(), version), &body.roles, &body)
}

/// One user, with version and roles' names.
///
/// # Errors
/// 404, 410, 400 or 503.
pub async fn current(state: &AppState, id: UserId, at_least: &AtLeast) -> Result<(Version, UserBody), Problem> {
    let user = row(state, id, at_least).await?;
    let version = user.version;
    let body = bodies(state, &[user], at_least).await?.pop().ok_or_else(Problem::not_found)?;
    Ok((version, body))
}

/// The row of one user who is not erased.
///
/// # Errors
/// 404, 410, 400 or 503.
pub async fn row(state: &AppState, id: UserId, at_least: &AtLeast) -> Result<UserState, Problem> {
    let user: Option<UserState> = fresh::row(&state.users, state.context.store(), id.0, at_least.of(id.into())).await?;
    match user.ok_or_else(Problem::not_found)? {
        user if user.status == Status::Erased => Err(Problem::erased()),
        user => Ok(user),
    }
}

async fn as_of_then(
    state: &AppState,
    id: UserId,
    at: DateTime<Utc>,
    at_least: &AtLeast,
) -> Result<(Version, UserBody), Problem> {
    let user = moment::state_at::<User>(state, id.into(), at, at_least).await?.ok_or_else(Problem::not_found)?;
    let held = user.roles.iter().filter(|held| held.holds_at(at)).map(|held| held.role_id);
    let roles = try_join_all(held.map(|role| async move {
        let of_then = moment::find_at::<Role>(state, role.into(), at, at_least).await?;
        Ok::<_, Problem>(of_then.flatten())
    }))
    .await?;
    let name_of = |id| roles.iter().flatten().find(|role| role.id == id).map(|role| role.name.clone().into());
    Ok((user.version, UserBody::new(&user, at, name_of)))
}
