//! The integration tests: one binary over the real local world, every part on a free port.

mod bad_input;
mod cost;
mod crash;
mod support;
mod trip;
