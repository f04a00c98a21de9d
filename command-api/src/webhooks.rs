//! What Telnyx tells us.

pub mod receipt;
