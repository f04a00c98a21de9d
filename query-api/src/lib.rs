//! Every read, port 8082.
