//! Sign-in and sessions, and who may grant what.

pub mod authority;
mod begin;
mod client;
mod code;
mod ending;
pub mod first_factor;
pub mod invitation;
pub mod limits;
pub mod login;
pub mod login_code;
pub mod mfa;
pub mod password;
pub mod recent;
pub mod refresh;
pub mod reset;
mod second_factor;
pub mod set_password;
pub mod sign_out;
mod tokens;
