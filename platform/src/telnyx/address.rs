//! Where the provider tells what becomes of one try of one notification. Webhooks repeat the address inside what is signed:
//! it is the only handle by which a message of theirs is known to be one of ours.

use axum::http::Uri;
use events::ids::NotificationId;

/// The path, before the notification's id.
const PATH: &str = "/v1/webhooks/telnyx/";

/// The parameter with the number of the try.
const ATTEMPT: &str = "attempt=";

/// One try of one notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookAddress {
    /// The notification.
    pub notification: NotificationId,
    /// Number of the try, from 1.
    pub attempt: u32,
}

impl WebhookAddress {
    /// The address, below the one at which the world finds us.
    pub fn url(&self, public_url: &str) -> String {
        format!("{public_url}{PATH}{}?{ATTEMPT}{}", self.notification, self.attempt)
    }

    /// Reads an address that [`WebhookAddress::url`] made; nothing when it is another's. The host is not looked at: it can
    /// change while messages are on their way.
    pub fn read(text: &str) -> Option<Self> {
        let address: Uri = text.parse().ok()?;
        let (_, id) = address.path().rsplit_once(PATH)?;
        let attempt = address.query()?.split('&').find_map(|pair| pair.strip_prefix(ATTEMPT))?;
        Some(Self { notification: id.parse().ok()?, attempt: attempt.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use events::ids::derive;

    use super::*;

    #[test]
    fn an_address_reads_back_wherever_we_are() {
        let address = WebhookAddress { notification: NotificationId(derive(&["one"])), attempt: 3 };
        for public_url in ["http://127.0.0.1:8081", "https://api.example.com", "https://example.com/fieldfuze"] {
            assert_eq!(WebhookAddress::read(&address.url(public_url)), Some(address), "{public_url}");
        }
    }

    #[test]
    fn what_is_not_ours_is_no_address() {
        let id = derive(&["one"]);
        for text in [
            String::new(),
            "https://example.com/hook".to_owned(),
            format!("https://example.com{PATH}{id}"),
            format!("https://example.com{PATH}{id}?attempt=-1"),
            format!("https://example.com{PATH}nobody?attempt=1"),
            format!("https://example.com/v1/other/{id}?attempt=1"),
        ] {
            assert_eq!(WebhookAddress::read(&text), None, "{text}");
        }
    }
}
