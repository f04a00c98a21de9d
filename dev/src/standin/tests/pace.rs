use std::time::Instant;

use super::*;

/// Sends that are under way at once.
const AT_ONCE: usize = 50;

async fn post(standin: &Standin, body: Value) -> reqwest::Response {
    let client = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
    let request = client.post(format!("{}/v2/messages", standin.url())).bearer_auth("KEY-test").json(&body);
    request.send().await.unwrap()
}

#[tokio::test]
async fn an_answer_takes_as_long_as_it_is_told_refused_or_not() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    set_faults(&standin, json!({"latency_ms": 150})).await;
    for (body, status) in [(sms(None), 200), (json!({"to": "+1"}), 400)] {
        let began = Instant::now();
        assert_eq!(post(&standin, body).await.status(), status);
        assert!(began.elapsed() >= Duration::from_millis(150));
    }
    standin.stop().await;
}

#[tokio::test]
async fn a_slow_body_has_its_head_at_once_and_is_whole_in_the_end() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let over = Duration::from_millis(400);
    set_faults(&standin, json!({"slow_body": {"over_ms": 400}})).await;
    let began = Instant::now();
    let response = post(&standin, sms(None)).await;
    let headed = began.elapsed();
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    assert!(headed < over && began.elapsed() >= over, "{headed:?}");
    assert_eq!(ledger(&standin).await[0]["id"], body["data"]["id"]);
    standin.stop().await;
}

#[tokio::test]
async fn a_webhook_can_come_before_the_answer_and_is_tried_again_all_the_same() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let mut receiver = Receiver::start(1);
    set_faults(&standin, json!({"webhook_before_answer": true, "latency_ms": 1_000})).await;
    let hook = receiver.url();
    let sending = send(&standin, sms(Some(&hook)));
    let mut sending = Box::pin(sending);
    let first = tokio::select! {
        _ = &mut sending => panic!("answered before the webhook"),
        event = receiver.next_event() => event,
    };
    assert_eq!((first.data.event_type, first.meta.attempt), (EventType::Sent, 1));
    let (_, accepted) = sending.await;
    assert_eq!(accepted["data"]["to"][0]["status"], "queued");
    let told = [receiver.next_event().await, receiver.next_event().await];
    let again = told.iter().find(|event| event.data.id == first.data.id).unwrap();
    assert_eq!(again.meta.attempt, 2);
    standin.stop().await;
}

#[tokio::test]
async fn an_account_has_its_rules_and_answers_what_is_left_of_them() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    set_account(&standin, json!({"messages_per_second": 1, "balance": "1"})).await;
    let accepted = post(&standin, sms(None)).await;
    assert_eq!(accepted.headers()["x-ratelimit-remaining"], "0");
    let refused = post(&standin, sms(None)).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["x-ratelimit-reset"]), (429, &"1".parse().unwrap()));
    assert_eq!(refused.json::<Value>().await.unwrap()["errors"][0]["code"], "10011");

    let (_, left) = call(&standin, Method::GET, "/_standin/account", Value::Null).await;
    assert_eq!((&left["balance"], &left["messages_per_second"]), (&json!("0.996000"), &json!(1)));
    let (status, refused) =
        call(&standin, Method::PUT, "/_standin/account", json!({"whitelisted_destinations": ["usa"]})).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (400, &json!("10015")));
    set_account(&standin, json!({"whitelisted_destinations": ["ES"]})).await;
    let (status, refused) = send(&standin, sms(None)).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (403, &json!("40309")));
    assert_eq!(ledger(&standin).await.len(), 1);
    standin.stop().await;
}

#[tokio::test]
async fn many_at_once_are_each_accepted_and_told_of() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let mut receiver = Receiver::start(0);
    let hook = receiver.url();
    let sending = futures::future::join_all((0..AT_ONCE).map(|_| send(&standin, sms(Some(&hook))))).await;
    let mut sent: Vec<String> =
        sending.iter().map(|(_, body)| body["data"]["id"].as_str().unwrap().to_owned()).collect();
    let mut told = Vec::new();
    for _ in 0..2 * AT_ONCE {
        told.push(receiver.next_event().await.data.payload["id"].as_str().unwrap().to_owned());
    }
    let mut kept: Vec<_> = ledger(&standin).await.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    sent.sort();
    kept.sort();
    told.sort();
    assert_eq!(kept, sent);
    assert!(told.chunks(2).map(|pair| &pair[0]).eq(&sent), "each is told of twice");
    standin.stop().await;
}
