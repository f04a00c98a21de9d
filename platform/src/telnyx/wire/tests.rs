use super::*;
use serde_json::json;

#[test]
fn a_webhook_with_fields_we_do_not_know_is_read() {
    let webhook: Webhook = serde_json::from_value(json!({
        "data": {
            "event_type": "message.finalized",
            "id": "b301ed3f-1490-491f-995f-6e64e69674d4",
            "occurred_at": "2026-01-29T20:15:38.613+00:00",
            "record_type": "event",
            "payload": {
                "id": "834f3d53-8a3c-4aa0-a733-7f2d682a72df",
                "organization_id": "x",
                "direction": "outbound",
                "record_type": "message",
                "type": "SMS",
                "cost": {"amount": "0.0051", "currency": "USD"},
                "from": {"phone_number": "+13125550100", "carrier": "", "line_type": ""},
                "to": [{"phone_number": "+13125550101", "status": "in_a_new_state", "carrier": null}],
                "text": "Hello", "media": [], "tags": [], "valid_until": null,
                "errors": [{"code": "40008", "title": "Undeliverable", "meta": {"url": "x"}}],
                "received_at": "2026-01-29T20:15:37.000Z", "sent_at": null,
            },
        },
        "meta": {"attempt": 1, "delivered_to": "https://example.test/hook"},
    }))
    .unwrap();
    let message = webhook.data.message().unwrap();
    assert_eq!(webhook.data.event_type, EventType::Finalized);
    assert_eq!(message.status(), Some(DeliveryStatus::Unknown));
    assert_eq!(message.errors[0].code, "40008");

    let shown = format!("{webhook:?} {message:?} {:?} {:?}", message.from, message.to);
    assert!(!shown.contains("312555") && !shown.contains("Hello"), "{shown}");
}

#[test]
fn a_webhook_about_something_else_is_read_too() {
    let webhook: Webhook = serde_json::from_value(json!({
        "data": {"event_type": "verify.sent", "id": "1", "occurred_at": "2026-01-29T20:15:38Z", "payload": 5},
    }))
    .unwrap();
    assert_eq!(webhook.data.event_type, EventType::Other);
    assert!(webhook.data.message().is_err());
}

#[test]
fn a_send_carries_only_what_was_set_and_shows_nothing_personal() {
    let request = SendRequest {
        to: "+13125550101".to_owned(),
        from: Some("+13125550100".to_owned()),
        text: Some("Hello".to_owned()),
        ..SendRequest::default()
    };
    assert_eq!(
        serde_json::to_value(&request).unwrap(),
        json!({"to": "+13125550101", "from": "+13125550100", "text": "Hello"})
    );
    let shown = format!("{request:?}");
    assert!(!shown.contains("312555") && !shown.contains("Hello"), "{shown}");
}

#[test]
fn an_error_shows_its_code_but_not_the_detail_that_may_hold_a_number() {
    let body: ErrorBody = serde_json::from_value(json!({"errors": [{
        "code": "40310", "title": "Invalid 'to' address", "detail": "+1312 is not valid",
        "source": {"pointer": "/to"}, "meta": {"url": "https://example.test/40310"},
    }]}))
    .unwrap();
    assert_eq!(body.errors[0].source.as_ref().unwrap().pointer.as_deref(), Some("/to"));
    let shown = format!("{body:?}");
    assert!(shown.contains("40310") && !shown.contains("+1312"), "{shown}");
}

#[test]
fn lists_are_read_with_what_we_do_not_know_and_show_no_number() {
    let records: Page<DetailRecord> = serde_json::from_value(json!({
        "data": [{
            "record_type": "message_detail_record", "uuid": "1", "cli": "+13125550100", "cld": "+13125550101",
            "status": "in_a_new_state", "errors": ["40008"], "created_at": "2026-01-29T20:15:38Z", "rate": "0.003",
        }],
        "meta": {"total_pages": 1, "total_results": 1, "page_number": 1, "page_size": 20},
    }))
    .unwrap();
    assert_eq!((records.data[0].status, records.meta.total_pages), (Some(DetailStatus::Unknown), 1));
    let opt_outs: Page<OptOut> = serde_json::from_value(json!({
        "data": [{"from": "+13125550100", "to": "+13125550101", "created_at": "2025-04-28 12:00:38.631252"}],
    }))
    .unwrap();
    let shown = format!("{records:?} {opt_outs:?}");
    assert!(!shown.contains("312555"), "{shown}");
}
