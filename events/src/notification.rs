//! Notifications: one message to one person because something happened, and what became of it.

mod category;
mod command;
mod decide;
mod event;
mod evolve;
pub mod quiet;
pub mod segments;
mod state;
pub mod template;
#[cfg(test)]
mod tests;

pub use category::MessageCategory;
pub use command::{NotificationCommand, Outcome, Receipt, TextOf, Withheld};
pub use decide::{Notification, NotificationRefusal};
pub use event::{
    NotificationAccepted, NotificationDeferred, NotificationDied, NotificationEvent, NotificationFailed,
    NotificationLookedUp, NotificationRedriven, NotificationRequested, NotificationSending, NotificationSuppressed,
};
pub use state::{Delivery, Lane, NotificationState};
