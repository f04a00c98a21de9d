//! Reads of users, one file per endpoint.

pub mod events;
pub mod get;
pub mod list;
pub mod me;

use ::events::{ids::RoleId, role::RoleState, stream::Version, user::UserState};
use platform::http::{Problem, bodies::UserBody, consistency::AtLeast};

use crate::{fresh, state::AppState};

/// Users as they are answered, their roles' names joined from the other read model.
///
/// # Errors
/// 400 or 503.
pub async fn bodies(state: &AppState, users: &[UserState], at_least: &AtLeast) -> Result<Vec<UserBody>, Problem> {
    let mut wanted: Vec<RoleId> = users.iter().flat_map(|user| &user.roles).map(|held| held.role_id).collect();
    wanted.sort_unstable();
    wanted.dedup();
    // A role that is assigned exists: one that has no row yet is read from the log.
    let least = |id: RoleId| at_least.of(id.into()).or(Some(Version(1)));
    let read = wanted.iter().map(|id| fresh::row(&state.roles, state.context.store(), id.0, least(*id)));
    let roles: Vec<RoleState> = futures::future::try_join_all(read).await?.into_iter().flatten().collect();
    let name_of = |id| roles.iter().find(|role| role.id == id).map(|role| role.name.clone().into());
    let now = state.context.clock.now();
    Ok(users.iter().map(|user| UserBody::new(user, now, name_of)).collect())
}
