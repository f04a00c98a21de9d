//! The part of Telnyx API v2 that we speak: sending text messages and receiving webhooks about them.
//!
//! The dispatcher, the webhook endpoint and the local stand-in share these types, so that none of them can drift.

pub mod address;
pub mod receipt;
pub mod signature;
pub mod wire;
