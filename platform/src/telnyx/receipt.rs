//! What Telnyx says of a message, in the words of the log.

use events::notification::Receipt;

use super::wire::{DeliveryStatus, Message};

/// What a message's status says; nothing while it is on its way to the carrier.
pub fn receipt_of(message: &Message) -> Option<Receipt> {
    let code = || message.errors.first().map_or_else(|| "unspecified".to_owned(), |error| error.code.clone());
    match message.status()? {
        DeliveryStatus::Sent => Some(Receipt::Sent),
        DeliveryStatus::Delivered => Some(Receipt::Delivered),
        DeliveryStatus::SendingFailed | DeliveryStatus::DeliveryFailed | DeliveryStatus::Expired => {
            Some(Receipt::Failed(code()))
        }
        DeliveryStatus::DeliveryUnconfirmed => Some(Receipt::Unconfirmed),
        _ => None,
    }
}
