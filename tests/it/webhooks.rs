//! What Telnyx tells us: of our messages, and of people who want none.

use std::time::Duration;

use chrono::TimeDelta;
use events::{
    decider::Decider,
    envelope::{Actor, Metadata},
    ids::{EventId, NotificationId, UserId, derive},
    notification::{
        Delivery, Lane, Notification, NotificationCommand, NotificationRefusal, NotificationRequested,
        NotificationState, TextOf, template::WELCOME,
    },
};
use platform::{
    clock::Clock,
    context::Context,
    store::{Folded, Intent},
    telnyx::{
        address::WebhookAddress,
        signature::{SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER},
    },
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{
    Answer, Client, MEASURING, TestWorld, behind::Behind, faults::Fault, new_user, phone, send, store::context,
};

const PROFILE: &str = "/v1/webhooks/telnyx";

/// How long Telnyx waits for an answer.
const TELNYX_WAITS: Duration = Duration::from_secs(2);

/// Somebody sends a message to one of our numbers.
async fn says(world: &TestWorld, number: u32, text: &str) {
    let telnyx = Client::new(&world.world.addresses.telnyx);
    let address = format!("{}{PROFILE}", world.world.addresses.public);
    let message = json!({ "from": phone(number), "to": "+15125559999", "text": text, "webhook_url": address });
    telnyx.post("/_standin/inbound", &message).await.expect(202);
}

/// Types of the events of numbers in the audit feed, oldest first.
fn of_numbers(answer: &Answer) -> Vec<String> {
    let items = answer.body["items"].as_array().into_iter().flatten();
    let mut events: Vec<&Value> = items.filter(|it| it["stream"].as_str().unwrap().starts_with("number#")).collect();
    events.sort_by_key(|event| event["version"].as_u64());
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_says_stop_is_sent_nothing_until_they_say_start() {
    let world = TestWorld::start().await;
    let user = world.api.post("/v1/users", &new_user(1)).await.expect(201).text("id");
    let (invite, list) = (format!("/v1/users/{user}/invite"), format!("/v1/notifications?user_id={user}"));
    let stands = |answer: &Answer, template: &str, status: &str, code: Value| {
        let items = answer.body["items"].as_array().into_iter().flatten();
        items.into_iter().any(|it| it["template"] == template && it["status"] == status && it["error_code"] == code)
    };
    world.api.get_until(&list, |answer| stands(answer, "welcome", "delivered", Value::Null)).await;

    for text in ["HELP", "When do you come?", " stop "] {
        says(&world, 1, text).await;
    }
    let audit = "/v1/audit?page_size=200";
    let heard = world.api.get_until(audit, |answer| of_numbers(answer) == ["NumberOptedOut"]).await;
    let said = heard.body["items"].as_array().unwrap().iter().find(|it| it["type"] == "NumberOptedOut").unwrap();
    assert_eq!(said["data"]["source"], "inbound");
    assert!(!said.to_string().contains(phone(1).trim_start_matches('+')), "{said}");
    world.api.post(&invite, &json!({})).await.expect(200);
    world.api.get_until(&list, |answer| stands(answer, "invitation", "suppressed", "opted-out".into())).await;

    says(&world, 1, "START").await;
    world.api.get_until(audit, |answer| of_numbers(answer) == ["NumberOptedOut", "NumberOptedIn"]).await;
    world.api.post(&invite, &json!({})).await.expect(200);
    world.api.get_until(&list, |answer| stands(answer, "invitation", "delivered", Value::Null)).await;
    assert_eq!(world.messages_to(&phone(1)).await.len(), 2);
}

/// A webhook about a message of ours, signed now.
fn webhook(kind: &str, status: &str, url: Option<&str>) -> Value {
    let (at, id) = (Clock::system().now(), derive(&[kind, url.unwrap_or_default()]));
    json!({
        "data": {
            "record_type": "event", "event_type": kind, "id": id, "occurred_at": at,
            "payload": {
                "id": derive(&["message", url.unwrap_or_default()]), "record_type": "message", "direction": "outbound",
                "to": [{ "phone_number": phone(1), "status": status }], "errors": [], "webhook_url": url
            }
        }
    })
}

async fn told_at(behind: &Behind, path: &str, key: &SigningKey, body: &Value, age: TimeDelta) -> Answer {
    let body = body.to_string();
    let (signature, timestamp) = key.sign(body.as_bytes(), Clock::system().now() - age);
    let request = behind.command_api.request(Method::POST, path).header("content-type", "application/json");
    send(request.header(SIGNATURE_HEADER, signature).header(TIMESTAMP_HEADER, timestamp).body(body)).await
}

async fn told(behind: &Behind, path: &str, body: &Value) -> Answer {
    told_at(behind, path, &behind.telnyx, body, TimeDelta::zero()).await
}

/// A notification that was sent, and waits for its receipt.
async fn sent(context: &Context, name: &str) -> WebhookAddress {
    let notification = NotificationId(derive(&[name]));
    let now = context.clock.now();
    let request = NotificationRequested {
        user_id: UserId(derive(&["user"])),
        event_id: EventId(derive(&[name])),
        template: WELCOME.name.to_owned(),
        lane: Lane::Transactional,
        expires_at: now + TimeDelta::hours(1),
    };
    let text = TextOf { template_version: 1, segments: 1 };
    let take = NotificationCommand::Take { now, until: now + TimeDelta::minutes(1), text };
    for command in [NotificationCommand::Request(request), take] {
        let decide = |folded: &Folded<Option<NotificationState>>| -> Result<_, NotificationRefusal> {
            Notification::decide(&folded.state, command.clone())
        };
        let metadata = Metadata {
            actor: Actor::System,
            reason: None,
            correlation_id: derive(&["trip"]),
            causation_id: None,
            traceparent: None,
        };
        context.notifications.execute(notification.into(), &Intent::of(metadata), decide).await.unwrap();
    }
    WebhookAddress { notification, attempt: 1 }
}

async fn status(context: &Context, of: WebhookAddress) -> (Delivery, u64) {
    let folded = context.notifications.load(of.notification.into()).await.unwrap();
    (folded.state.unwrap().status, folded.version.0)
}

#[tokio::test]
async fn a_receipt_moves_the_notification_that_it_was_signed_for_and_no_other() {
    let behind = Behind::start().await;
    let context = context(&behind.settings()).await;
    let (one, other) = (sent(&context, "one").await, sent(&context, "other").await);
    let path = |of: WebhookAddress| of.url("");
    let public = "https://api.example.com";
    let delivered = webhook("message.finalized", "delivered", Some(&one.url(public)));

    let next = WebhookAddress { attempt: 2, ..one };
    for wrong in [path(other), path(next)] {
        told(&behind, &wrong, &delivered).await.expect(204);
    }
    let stranger = SigningKey::generate().unwrap();
    let refused = told_at(&behind, &path(one), &stranger, &delivered, TimeDelta::zero()).await.expect(401);
    assert_eq!(refused.body["code"], "invalid-signature");
    told_at(&behind, &path(one), &behind.telnyx, &delivered, TimeDelta::seconds(310)).await.expect(401);
    for quiet in [webhook("message.read", "delivered", Some(&one.url(public))), webhook("message.sent", "queued", None)]
    {
        told(&behind, &path(one), &quiet).await.expect(204);
        told(&behind, PROFILE, &quiet).await.expect(204);
    }
    told(&behind, PROFILE, &webhook("message.finalized", "delivered", Some("https://example.com/hook")))
        .await
        .expect(204);
    told(&behind, &path(one), &json!({ "data": "none" })).await.expect(400);
    assert_eq!(status(&context, one).await, (Delivery::Sending, 2));
    assert_eq!(status(&context, other).await, (Delivery::Sending, 2));

    told(&behind, &path(one), &delivered).await.expect(204);
    let (stands, version) = status(&context, one).await;
    assert_eq!(stands, Delivery::Delivered);
    // What comes twice, and what comes after the end, changes nothing.
    let late = webhook("message.sent", "sent", Some(&one.url(public)));
    for again in [&delivered, &late, &delivered] {
        told(&behind, &path(one), again).await.expect(204);
    }
    assert_eq!(status(&context, one).await, (Delivery::Delivered, version));

    // When its own address did not answer, a receipt comes to the profile's.
    let unconfirmed = webhook("message.finalized", "delivery_unconfirmed", Some(&other.url(public)));
    told(&behind, PROFILE, &webhook("message.sent", "sent", Some(&other.url(public)))).await.expect(204);
    assert_eq!(status(&context, other).await.0, Delivery::Sent);
    told(&behind, PROFILE, &unconfirmed).await.expect(204);
    assert_ne!(status(&context, other).await.0, Delivery::Delivered);
    behind.stop();
}

#[tokio::test]
async fn a_receipt_that_cannot_be_recorded_in_time_is_refused_in_time_and_recorded_when_it_comes_again() {
    let _measuring = MEASURING.lock().await;
    let behind = Behind::start().await;
    let context = context(&behind.settings()).await;
    let one = sent(&context, "one").await;
    let delivered = webhook("message.finalized", "delivered", Some(&one.url("https://api.example.com")));
    for operation in ["Query", "PutItem"] {
        behind.commands.on(operation, Fault::Hang, usize::MAX);
        let asked = Instant::now();
        let refused = told(&behind, &one.url(""), &delivered).await.expect(503);
        assert!(asked.elapsed() < TELNYX_WAITS, "{operation}: {:?}", asked.elapsed());
        assert_eq!(refused.body["code"], "unavailable");
        assert!(refused.header("retry-after").parse::<u32>().is_ok());
        assert!(behind.commands.heal() > 0, "{operation}");
        assert_eq!(status(&context, one).await.0, Delivery::Sending);
    }
    told(&behind, &one.url(""), &delivered).await.expect(204);
    assert_eq!(status(&context, one).await.0, Delivery::Delivered);
    behind.stop();
}
