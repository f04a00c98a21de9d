//! Follows the stream, builds the views, sends the notifications.
