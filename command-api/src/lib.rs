//! Sign-in and every write, port 8081.

pub mod api;
pub mod auth;
pub mod codes;
pub mod command;
pub mod conditions;
pub mod config;
pub mod credentials;
pub mod devices;
pub mod factors;
pub mod founding;
pub mod later;
pub mod passwords;
pub mod reason;
pub mod roles;
pub mod server;
pub mod state;
pub mod throttle;
pub mod users;
pub mod webhooks;
