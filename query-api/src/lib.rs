//! Every read, port 8082.

pub mod api;
pub mod audit;
pub mod conditional;
pub mod config;
pub mod cursor;
pub mod document;
pub mod fresh;
pub mod history;
pub mod lag;
pub mod list;
pub mod moment;
pub mod notifications;
pub mod roles;
pub mod server;
pub mod state;
pub mod users;
pub mod wait;
pub mod wellknown;
