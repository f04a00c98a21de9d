//! What touches the outside and two services need.

pub mod access;
pub mod aws;
pub mod clock;
pub mod codes;
pub mod context;
pub mod credentials;
pub mod crypto;
pub mod http;
pub mod lifecycle;
pub mod numbers;
pub mod positions;
pub mod rights;
pub mod rows;
pub mod sessions;
pub mod settings;
pub mod store;
pub mod tables;
pub mod telemetry;
pub mod telnyx;
pub mod tokens;
