//! The integration tests: one binary over the real local world, every part on a free port.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it must be")]

mod access;
mod audit_stream;
mod bad_input;
mod codes;
mod commands;
mod conditional;
mod contract;
mod cost;
mod crash;
mod deployed;
mod erase;
mod explain;
mod factors;
mod faults;
mod forged;
mod freshness;
mod hand_over;
mod history;
mod import;
mod keys;
mod kms;
mod log;
mod model;
mod overload;
mod parking;
mod passwords;
mod permissions;
mod privacy;
mod reading;
mod reading_at;
mod reading_audit;
mod reading_cost;
mod rebuild;
mod send_crash;
mod sending;
mod sessions;
mod support;
mod telemetry;
mod texts;
mod throttle;
mod trace;
mod trip;
mod verify;
mod webhooks;
