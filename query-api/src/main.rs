//! Every read, port 8082.

fn main() {}
