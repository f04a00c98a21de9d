//! What every verifier may know.

pub mod jwks;
