//! Roles: named sets of permissions.

mod decide;
mod event;
#[cfg(test)]
mod tests;

pub use decide::{Role, RoleCommand, RoleRefusal, RoleState, RoleStatus};
pub use event::{RoleChanged, RoleCreated, RoleEvent};
