//! Sign-in and sessions, and who may grant what.

pub mod authority;
mod client;
mod code;
mod ending;
pub mod invitation;
mod limits;
pub mod login;
pub mod password;
pub mod refresh;
pub mod reset;
pub mod set_password;
pub mod sign_out;
mod tokens;
