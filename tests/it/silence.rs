//! Answers that come late, in pieces, in disorder or never: of Telnyx, of the log, and of a dispatcher that died.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    ASK_EVERY, Client, PASSWORD, SOON, TestWorld,
    faults::{Fault, Faults},
    messages::{faults, notified, registered},
    messages_to,
    parts::Parts,
    phone,
    process::{Process, world},
};

/// Users whose messages meet an outage.
const USERS: u32 = 40;

#[tokio::test]
async fn while_telnyx_fails_few_messages_become_unknown_and_the_others_go_out_afterwards() {
    let parts = Parts::start().await;
    let (queries, telnyx) = (parts.query_api(&parts.dynamodb_url()).await, parts.telnyx_url());
    faults(&telnyx, json!({ "reject": { "count": 10_000, "status": 503, "code": "10007" } })).await;
    let mut users = Vec::new();
    for number in 1..=USERS {
        users.push((number, registered(&parts.commands, number).await));
    }
    // So slowly that an answer is known before many more are let through, also on a busy machine.
    let _projector = parts.projector_around(&[("FIELDFUZE_SMS_SENDER_RATE", "4")]).await;
    let mut unknown = Vec::new();
    for (number, user) in &users {
        let path = format!("/v1/notifications?user_id={user}");
        let met = |it: &Value| it["status"] == "unknown" || it["error_code"] == "no-answer";
        queries.get_until(&path, |answer| met(&answer.body["items"][0])).await;
        let it = queries.get(&path).await.expect(200).body["items"][0].clone();
        if it["status"] == "unknown" {
            unknown.push(*number);
        }
    }
    // Five, and what had been let through before the fifth was known to have no answer.
    assert!((5..=USERS as usize / 2).contains(&unknown.len()), "{unknown:?}");

    faults(&telnyx, json!({})).await;
    let mut delivered = 0;
    for (number, user) in &users {
        let path = format!("/v1/notifications?user_id={user}");
        let settled = |status: &Value| status == "delivered" || status == "unknown";
        let told = queries.get_until(&path, |answer| settled(&answer.body["items"][0]["status"])).await;
        let it = &told.body["items"][0];
        let sent = messages_to(&telnyx, &phone(*number)).await.len();
        assert_eq!(sent, usize::from(it["status"] == "delivered"), "{it}");
        delivered += sent;
    }
    assert!(delivered >= USERS as usize / 2, "{delivered} were delivered");
    parts.stop().await;
}

/// How an answer goes wrong, how its notification ends all the same, and how many messages Telnyx took.
#[tokio::test]
async fn whatever_becomes_of_an_answer_and_its_webhooks_a_message_is_sent_once_and_ends_as_it_must() {
    let world = TestWorld::start().await;
    let telnyx = &world.world.addresses.telnyx;
    let longer_than_we_wait = json!({ "over_ms": 12_000 });
    let silent = json!({ "drop": true });
    let cases = [
        ("the same, but a webhook tells", json!({ "slow_body": longer_than_we_wait }), "delivered", 1),
        ("an answer in pieces", json!({ "slow_body": { "over_ms": 1_000 } }), "delivered", 1),
        ("an error, but a webhook tells", json!({ "accept_then_500": 1 }), "delivered", 1),
        ("the end is told first", json!({ "webhooks": { "shuffle": true } }), "delivered", 1),
        ("all is told twice", json!({ "webhooks": { "duplicate": true } }), "delivered", 1),
        ("both", json!({ "webhooks": { "duplicate": true, "shuffle": true } }), "delivered", 1),
        ("told before the answer", json!({ "webhook_before_answer": true, "latency_ms": 500 }), "delivered", 1),
        ("nothing is taken and nothing answered", json!({ "hang": 1 }), "unknown", 0),
        ("an answer without an end", json!({ "slow_body": longer_than_we_wait, "webhooks": silent }), "unknown", 1),
    ];
    let mut users = Vec::new();
    for (number, (name, knobs, status, taken)) in (1..).zip(cases) {
        faults(telnyx, knobs).await;
        let user = registered(&world.api, number).await;
        let ended = notified(&world.api, &user, status).await;
        assert_eq!(ended["attempt"], 1, "{name}");
        users.push((number, name, user, status, taken));
    }
    // What comes later changes nothing.
    for (number, name, user, status, taken) in users {
        assert_eq!(notified(&world.api, &user, status).await["attempt"], 1, "{name}");
        assert_eq!(world.messages_to(&phone(number)).await.len(), taken, "{name}");
    }
}

/// Telnyx took it, and nobody but the dispatcher knows: there is no webhook.
#[tokio::test]
async fn an_outcome_that_the_log_does_not_take_at_once_is_not_lost() {
    let parts = Parts::start().await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    let log = Faults::start(parts.dynamodb_url());
    let _projector = parts.projector(&log.url, &parts.dynamodb_url()).await;
    faults(&parts.telnyx_url(), json!({ "webhooks": { "drop": true } })).await;
    let mut left = 5;
    log.choose(move |call| {
        let happens = left > 0 && !call.is_read() && call.item.contains("NotificationAccepted");
        left -= usize::from(happens);
        happens.then_some(Fault::Refuse("ValidationException"))
    });
    let user = registered(&parts.commands, 1).await;
    let told = |answer: &crate::support::Answer| {
        let status = answer.body["items"][0]["status"].as_str().unwrap_or_default().to_owned();
        ["accepted", "unknown"].contains(&&*status)
    };
    let path = format!("/v1/notifications?user_id={user}");
    let it = queries.get_until(&path, told).await.body["items"][0].clone();
    assert_eq!((&it["status"], &it["attempt"]), (&json!("accepted"), &json!(1)));
    assert_eq!(log.heal(), 5, "the log did not take it so often");
    assert_eq!(messages_to(&parts.telnyx_url(), &phone(1)).await.len(), 1);
    parts.stop().await;
}

#[tokio::test]
async fn what_a_dispatcher_that_died_leaves_unknown_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(world(directory.path())).await;
    let api = Client::new(&process.public).sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;
    faults(&process.telnyx, json!({ "hang": 1 })).await;
    let user = registered(&api, 1).await;
    notified(&api, &user, "sending").await;
    process.kill().await;

    let process = Process::start(world(directory.path())).await;
    let api = Client::new(&process.public).sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;
    notified(&api, &user, "unknown").await;
    let projector = Client::new(&process.projector);
    let counted = async {
        loop {
            let answer = projector.request(Method::GET, "/metrics").send().await.unwrap();
            let text = answer.text().await.unwrap();
            let mut lines = text.lines().filter(|line| line.starts_with("sends{"));
            if lines.any(|line| line.contains("outcome=\"unknown\"") && line.ends_with(" 1")) {
                return;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(SOON, counted).await.expect("it is counted, once");
    process.kill().await;
}
