//! What Telnyx checks before it accepts a message, with the code it answers.
//!
//! Telnyx states the codes but only "4XX" for the statuses: the statuses here vary, so that no client can rely on one.

use axum::http::StatusCode;
use events::notification::segments::{Segments, segments};
use platform::telnyx::wire::SendRequest;
use serde_json::error::Category;

use super::refusal::Refusal;

/// The most segments of one message.
const MAX_PARTS: usize = 10;

/// Digits of an E.164 number; the standard sets the upper end, the shortest in use sets the lower.
const E164_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// Characters of a sender's name.
const NAME_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=11;

/// Digits of a short code.
const SHORT_CODE_DIGITS: std::ops::RangeInclusive<usize> = 3..=8;

/// A request that passed.
#[derive(Debug)]
pub(super) struct Valid {
    pub(super) request: SendRequest,
    pub(super) segments: Segments,
}

/// Checks the body of a send.
pub(super) fn check(body: &[u8]) -> Result<Valid, Refusal> {
    let request: SendRequest = parse(body)?;
    if request.to.is_empty() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "10004").at("/to"));
    }
    if !is_e164(&request.to) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "40310")
            .at("/to")
            .because("The 'to' address should be in E.164 format"));
    }
    check_sender(&request)?;
    for (pointer, url) in
        [("/webhook_url", &request.webhook_url), ("/webhook_failover_url", &request.webhook_failover_url)]
    {
        if url.as_deref().is_some_and(|url| !is_web_address(url)) {
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "10015").at(pointer));
        }
    }
    if !matches!(request.kind.as_deref(), None | Some("SMS" | "MMS")) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "10015").at("/type"));
    }
    let text = request.text.as_deref().unwrap_or_default();
    if text.is_empty() {
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "40316").at("/text"));
    }
    let segments = segments(text);
    if segments.parts > MAX_PARTS {
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "40302").at("/text"));
    }
    Ok(Valid { request, segments })
}

/// Reads a body, and says which of Telnyx's two errors one that cannot be read is.
pub(super) fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => Refusal::new(StatusCode::BAD_REQUEST, "10015").because(error.to_string()),
        _ => Refusal::new(StatusCode::BAD_REQUEST, "10023"),
    })
}

fn check_sender(request: &SendRequest) -> Result<(), Refusal> {
    let has_profile = request.messaging_profile_id.is_some();
    let needs_profile = match request.from.as_deref() {
        None => true,
        Some(from) if is_e164(from) || is_short_code(from) => false,
        Some(from) if is_name(from) => true,
        Some(_) => return Err(Refusal::new(StatusCode::BAD_REQUEST, "40305").at("/from")),
    };
    if needs_profile && !has_profile {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "10004").at("/messaging_profile_id"));
    }
    Ok(())
}

/// Whether a text is a number in E.164 form.
pub(super) fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        E164_DIGITS.contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_short_code(text: &str) -> bool {
    SHORT_CODE_DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    NAME_CHARACTERS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether a text is an absolute address for web requests.
pub(super) fn is_web_address(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use serde_json::{Value, json};

    async fn refusal(body: &[u8]) -> (u16, String, String) {
        let response = check(body).unwrap_err().into_response();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = &body["errors"][0];
        (status, text(&error["code"]), text(&error["source"]["pointer"]))
    }

    #[tokio::test]
    async fn each_fault_has_its_code_and_pointer() {
        let from = "+13125550100";
        let to = "+13125550101";
        let cases = [
            (json!({"from": from, "text": "x"}), (400, "10004", "/to")),
            (json!({"from": from, "to": "+1312", "text": "x"}), (400, "40310", "/to")),
            (json!({"from": from, "to": "13125550101", "text": "x"}), (400, "40310", "/to")),
            (json!({"from": from, "to": to}), (422, "40316", "/text")),
            (json!({"from": from, "to": to, "text": ""}), (422, "40316", "/text")),
            (json!({"from": from, "to": to, "text": "a".repeat(1531)}), (422, "40302", "/text")),
            (json!({"to": to, "text": "x"}), (400, "10004", "/messaging_profile_id")),
            (json!({"from": "FieldFuze", "to": to, "text": "x"}), (400, "10004", "/messaging_profile_id")),
            (json!({"from": "+12", "to": to, "text": "x"}), (400, "40305", "/from")),
            (json!({"from": from, "to": to, "text": "x", "type": "FAX"}), (400, "10015", "/type")),
            (json!({"from": from, "to": to, "text": "x", "webhook_url": "/hook"}), (422, "10015", "/webhook_url")),
            (json!({"from": from, "to": to, "text": 5}), (400, "10015", "")),
            (json!("+1"), (400, "10015", "")),
        ];
        for (body, (status, code, pointer)) in cases {
            let found = refusal(body.to_string().as_bytes()).await;
            assert_eq!(found, (status, code.to_owned(), pointer.to_owned()), "{body}");
        }
        assert_eq!(refusal(b"{\"to\":").await.1, "10023");
    }

    #[test]
    fn a_name_with_a_profile_and_a_number_without_one_pass() {
        for sender in [
            json!({"from": "+13125550100"}),
            json!({"from": "FieldFuze", "messaging_profile_id": "p"}),
            json!({"messaging_profile_id": "p"}),
        ] {
            let mut body = json!({"to": "+13125550101", "text": "x"});
            body.as_object_mut().unwrap().extend(sender.as_object().unwrap().clone());
            check(body.to_string().as_bytes()).unwrap();
        }
    }
}
