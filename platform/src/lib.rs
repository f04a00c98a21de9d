//! What touches the outside and two services need.

pub mod aws;
pub mod clock;
pub mod lifecycle;
pub mod settings;
pub mod tables;
