//! The audit feed.

pub mod list;
