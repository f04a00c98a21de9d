//! What both APIs have in common over HTTP.

pub mod auth;
pub mod bodies;
pub mod consistency;
pub mod document;
pub mod documented;
pub mod fields;
pub mod health;
pub mod id;
pub mod json;
pub mod layers;
pub mod methods;
pub mod problem;
pub mod query;
pub mod serve;

pub use problem::Problem;
