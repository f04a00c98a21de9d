//! Follows the log, builds the read models, sends the notifications.

pub mod config;
pub mod feed;
pub mod notify;
pub mod ops;
pub mod server;
pub mod state;
pub mod stream;
