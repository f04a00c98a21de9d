//! Sign-in and sessions, and who may grant what.

pub mod authority;
mod client;
mod ending;
pub mod login;
pub mod refresh;
pub mod sign_out;
mod tokens;
