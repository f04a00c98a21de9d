//! Sign-in and sessions, and who may grant what.

pub mod authority;
mod client;
mod ending;
mod limits;
pub mod login;
pub mod password;
pub mod refresh;
pub mod sign_out;
mod tokens;
