//! The pure domain: values, deciders, events, views and the shape of the log.
//!
//! Nothing in here waits, reads a clock, draws a random number or knows where it runs. What a decision needs from
//! outside is looked up first and handed in.

pub mod chain;
pub mod checkpoint;
pub mod claim;
pub mod commit;
pub mod decider;
pub mod envelope;
pub mod event;
pub mod harness;
pub mod ids;
pub mod notification;
pub mod number;
pub mod permission;
pub mod reaction;
pub mod role;
pub mod session;
pub mod stream;
pub mod user;
pub mod values;
pub mod verify;
pub mod views;
