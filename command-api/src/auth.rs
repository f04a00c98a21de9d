//! Sign-in, and who may grant what.

pub mod authority;
pub mod login;
