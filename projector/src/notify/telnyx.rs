//! The client of Telnyx's message API. It never repeats a request that may have been received: a text message has no
//! idempotency key.

mod classify;
mod records;

use std::time::Duration;

use chrono::{DateTime, Utc};
use events::{ids::NotificationId, notification::Receipt, values::Phone};
use platform::telnyx::{
    receipt::receipt_of,
    wire::{ErrorBody, SendRequest, SendResponse},
};
use reqwest::{Client, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use classify::{Answer, classify};
pub(super) use classify::{Consequence, Sent};

/// Until a connection stands. Nothing was received before, so this can be short.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// One whole request. The dispatcher's lease outlasts it.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(8);

/// Largest answer that is read, whether it states its length or not.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The client.
#[derive(Debug, Clone)]
pub struct Telnyx {
    client: Client,
    base: String,
    key: SecretString,
    from: String,
}

/// A message to be sent.
pub(super) struct Outgoing {
    pub(super) id: NotificationId,
    /// Number of the try.
    pub(super) attempt: u32,
    pub(super) to: Phone,
    pub(super) text: String,
    pub(super) webhook_url: String,
}

/// What the provider knows of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its id there.
    pub(super) provider_id: String,
    /// What became of it; nothing while it is on its way.
    pub(super) receipt: Option<Receipt>,
}

/// The provider cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAsked {
    /// No answer.
    #[error("no answer")]
    Nothing,
    /// An answer that tells nothing.
    #[error("it answers {0}")]
    Refused(u16),
    /// An answer that cannot be read.
    #[error("its answer cannot be read")]
    Garbled,
}

impl Telnyx {
    /// A client for the API at `base`, sending from the number `from`.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(base: &str, key: SecretString, from: String) -> reqwest::Result<Self> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(SEND_TIMEOUT)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), key, from })
    }

    /// The number from which it sends.
    pub fn sender(&self) -> &str {
        &self.from
    }

    /// Sends a text once, and says what came of it.
    pub(super) async fn send(&self, message: Outgoing, now: impl Fn() -> DateTime<Utc>) -> Sent {
        let Outgoing { id, attempt, to, text, webhook_url } = message;
        let request = SendRequest {
            to: to.as_str().to_owned(),
            from: Some(self.from.clone()),
            text: Some(text),
            kind: Some("SMS".to_owned()),
            webhook_url: Some(webhook_url),
            ..SendRequest::default()
        };
        let url = format!("{}/v2/messages", self.base);
        let request = self.client.post(url).bearer_auth(self.key.expose_secret()).json(&request);
        let answer = match request.send().await {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() || error.is_builder() => Answer::NotSent,
            Err(_) => Answer::Nothing,
        };
        classify(answer, now(), id.0, attempt)
    }

    /// What has become of a message; nothing when the provider does not know it. Asking twice does no harm.
    pub(super) async fn look_up(&self, provider_id: &str) -> Result<Option<Found>, NotAsked> {
        let answer: Option<SendResponse> = self.get(&format!("/v2/messages/{provider_id}"), &[]).await?;
        let found = |answer: SendResponse| Found { receipt: receipt_of(&answer.data), provider_id: answer.data.id };
        Ok(answer.map(found))
    }

    /// Reads a resource; nothing when there is none.
    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<T>, NotAsked> {
        let mut url = Url::parse(&format!("{}{path}", self.base)).map_err(|_| NotAsked::Nothing)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.client.get(url);
        let answer = request.bearer_auth(self.key.expose_secret()).send().await.map_err(|_| NotAsked::Nothing)?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let body = body(answer).await.ok_or(NotAsked::Garbled)?;
                serde_json::from_slice(&body).map(Some).map_err(|_| NotAsked::Garbled)
            }
            status => Err(NotAsked::Refused(status.as_u16())),
        }
    }
}

/// A body, if it comes whole and is not too large.
async fn body(mut response: reqwest::Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.ok()? {
        if body.len() + part.len() > MAX_ANSWER_BYTES {
            return None;
        }
        body.extend_from_slice(&part);
    }
    Some(body)
}

async fn read(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let wait = header("retry-after").or_else(|| header("x-ratelimit-reset"));
    let Some(body) = body(response).await else { return Answer::Nothing };
    match status {
        200..=299 => match serde_json::from_slice::<SendResponse>(&body) {
            Ok(answer) => Answer::Accepted { id: answer.data.id },
            Err(_) => Answer::Nothing,
        },
        400..=499 => {
            let errors = serde_json::from_slice::<ErrorBody>(&body).unwrap_or_default().errors;
            Answer::Refused { status, code: errors.into_iter().next().map(|error| error.code), wait }
        }
        _ => Answer::Nothing,
    }
}

#[cfg(test)]
mod tests;
