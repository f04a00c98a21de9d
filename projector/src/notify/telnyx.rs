//! The client of Telnyx's message API. It never repeats a request that may have been received: a text message has no
//! idempotency key.

mod classify;

use std::time::Duration;

use chrono::{DateTime, Utc};
use events::notification::{Outcome, Receipt};
use platform::telnyx::{
    receipt::receipt_of,
    wire::{ErrorBody, SendRequest, SendResponse},
};
use reqwest::{Client, redirect};
use secrecy::{ExposeSecret, SecretString};

use classify::{Answer, classify};

/// Until a connection stands. Nothing was received before, so this can be short.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// One whole request. The dispatcher's lease outlasts it.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(8);

/// Largest answer that is read, whether it states its length or not.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The client.
#[derive(Debug, Clone)]
pub struct Telnyx {
    client: Client,
    endpoint: String,
    key: SecretString,
    from: String,
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
        Ok(Self { client, endpoint: format!("{}/v2/messages", base.trim_end_matches('/')), key, from })
    }

    /// Sends a text once, and says what came of it.
    pub async fn send(&self, to: &str, text: String, webhook_url: String, now: DateTime<Utc>, attempt: u32) -> Outcome {
        let request = SendRequest {
            to: to.to_owned(),
            from: Some(self.from.clone()),
            text: Some(text),
            kind: Some("SMS".to_owned()),
            webhook_url: Some(webhook_url),
            ..SendRequest::default()
        };
        let request = self.client.post(&self.endpoint).bearer_auth(self.key.expose_secret()).json(&request);
        let answer = match request.send().await {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() || error.is_builder() => Answer::NotSent,
            Err(_) => Answer::Nothing,
        };
        classify(answer, now, attempt)
    }
}

impl Telnyx {
    /// What has become of a message; nothing when the provider does not say. Asking twice does no harm.
    pub async fn look_up(&self, provider_id: &str) -> Option<Receipt> {
        let url = format!("{}/{provider_id}", self.endpoint);
        let answer = self.client.get(url).bearer_auth(self.key.expose_secret()).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let answer: SendResponse = serde_json::from_slice(&body(answer).await?).ok()?;
        receipt_of(&answer.data)
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
