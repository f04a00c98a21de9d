//! What every verifier may know.

pub mod jwks;
pub mod metadata;
