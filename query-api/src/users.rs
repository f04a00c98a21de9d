//! Reads of users, one file per endpoint.

pub mod events;
pub mod explain;
pub mod export;
pub mod export_all;
pub mod factors;
pub mod get;
pub mod list;
pub mod me;
pub mod preferences;
pub mod sessions;

use ::events::{ids::RoleId, stream::Category, user::UserState};
use platform::{
    http::{Problem, bodies::UserBody, consistency::AtLeast},
    rights::at_all,
};

use crate::state::AppState;

/// Users as they are answered, with their roles' names.
///
/// # Errors
/// 503.
pub async fn bodies(state: &AppState, users: &[UserState], at_least: &AtLeast) -> Result<Vec<UserBody>, Problem> {
    let held = users.iter().flat_map(|user| at_all(&user.roles));
    let asked = at_least.iter().filter(|(stream, _)| stream.category == Category::Role);
    let wanted = held.chain(asked.map(|(stream, version)| (RoleId(stream.id), version)));
    let known = state.context.rights.known(wanted).await?;
    let name_of = |role| known.name_of(role).cloned().map(Into::into);
    let now = state.context.clock.now();
    Ok(users.iter().map(|user| UserBody::new(user, now, name_of)).collect())
}
