//! Reads of roles, one file per endpoint.

pub mod events;
pub mod get;
pub mod list;
