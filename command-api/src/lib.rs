//! Sign-in and every write, port 8081.
