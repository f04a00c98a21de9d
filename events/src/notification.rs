//! Notifications: one message to one person because something happened, and what became of it.

mod decide;
mod event;
mod state;
pub mod template;
#[cfg(test)]
mod tests;

pub use decide::{Notification, NotificationCommand, NotificationRefusal, Outcome, Receipt};
pub use event::{
    NotificationAccepted, NotificationDeferred, NotificationEvent, NotificationFailed, NotificationRequested,
    NotificationSending, NotificationSuppressed,
};
pub use state::{Delivery, Lane, NotificationState};
