//! Users: what can happen to one, and who may become what.

mod command;
mod decide;
mod event;
mod preferences;
mod profile;
mod state;
#[cfg(test)]
mod tests;

pub use command::{AssignRole, ChangeProfile, Register, UserCommand};
pub use decide::{MAX_ASSIGNMENTS, User, UserRefusal};
pub use event::{CodeRequested, FactorChanged, ProfileChanged, RoleAssigned, RoleRevoked, UserEvent, UserRegistered};
pub use preferences::Preferences;
pub use state::{Assignment, CodePurpose, Factor, Status, UserState};
