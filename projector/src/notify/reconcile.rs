//! Asks the provider what became of messages of which no word came.

use chrono::{DateTime, Utc};
use events::notification::{Delivery, NotificationCommand, NotificationState, Outcome, template::Template};

use super::{
    telnyx::Found,
    work::{Done, WorkError, Worker},
};

impl Worker {
    /// The receipt is late, or was lost; or nobody knows whether the provider took the message.
    pub(super) async fn look_up(&self, it: &NotificationState, now: DateTime<Utc>) -> Result<Done, WorkError> {
        let attempt = it.attempt;
        let found = match &it.provider_id {
            Some(provider_id) if it.status != Delivery::Unknown => self.telnyx.look_up(provider_id).await,
            _ => {
                let user = self.context.users.load(it.user_id.into()).await?.state;
                match user.and_then(|user| user.phone.known().cloned()) {
                    Some(to) => self.telnyx.search(&to, &self.webhook_url(it.id, attempt), it.created_at).await,
                    // Who was forgotten cannot be searched for.
                    None => Ok(None),
                }
            }
        };
        let command = match found {
            // No word is no evidence: it is asked again.
            Err(error) => {
                tracing::warn!(notification = %it.id, error = &error as &dyn std::error::Error, "the provider cannot be asked what became of a message");
                return Ok(Done::Finished);
            }
            Ok(Some(Found { provider_id, receipt: Some(receipt) })) => {
                NotificationCommand::Receive { attempt, provider_id, receipt }
            }
            Ok(Some(Found { provider_id, receipt: None })) if it.status == Delivery::Unknown => {
                NotificationCommand::Conclude { attempt, outcome: Outcome::Accepted(provider_id) }
            }
            Ok(_) => {
                let resend = Template::named(&it.template).is_some_and(|template| template.resend_unreceived);
                NotificationCommand::FoundNothing { look_ups: it.look_ups, again: true, resend, now }
            }
        };
        self.settle(it, command).await
    }
}
