//! Runs one service.

fn main() {}
