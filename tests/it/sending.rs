//! What is sent, what is withheld, and what is looked after when sending goes wrong.

use events::notification::Lane;
use platform::{context::Context, tables::MAX_RECEIVES};
use projector::notify::Queues;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    ASK_EVERY, Client, SOON, TestWorld,
    faults::{Fault, Faults},
    messages_to, new_user,
    operator::{expect, operator},
    parts::Parts,
    phone,
    store::context,
};

/// Tells the stand-in what to do wrong from now on.
async fn faults(world: &TestWorld, faults: Value) {
    let telnyx = Client::new(&world.world.addresses.telnyx);
    let set = telnyx.request(Method::PUT, "/_standin/faults").json(&faults).send().await.unwrap();
    assert!(set.status().is_success(), "{}", set.text().await.unwrap());
}

async fn registered(world: &TestWorld, number: u32) -> String {
    world.api.post("/v1/users", &new_user(number)).await.expect(201).text("id")
}

/// The one notification of a user, once it stands there.
async fn notified(world: &TestWorld, user: &str, status: &str) -> Value {
    let path = format!("/v1/notifications?user_id={user}");
    let answer = world.api.get_until(&path, |answer| answer.body["items"][0]["status"] == status).await;
    assert_eq!(answer.body["items"].as_array().unwrap().len(), 1);
    answer.body["items"][0].clone()
}

#[tokio::test]
async fn a_request_that_the_provider_cannot_read_goes_to_the_dead_letters_and_is_redriven_under_its_id() {
    let world = TestWorld::start().await;
    expect(&operator(&world, &["dlq", "list"]).await, 0, "0 dead letters, 0 unknown");
    faults(&world, json!({ "reject": { "count": 2, "status": 400, "code": "10015" } })).await;
    let users = [registered(&world, 1).await, registered(&world, 2).await];
    let dead = [notified(&world, &users[0], "dead").await, notified(&world, &users[1], "dead").await];
    assert_eq!(dead[0]["error_code"], "10015");
    let ids = dead.map(|it| it["id"].as_str().unwrap().to_owned());

    let listed = async {
        loop {
            let said = operator(&world, &["dlq", "list"]).await;
            if said.1.contains("2 dead letters, 0 unknown") {
                return said;
            }
        }
    };
    let listed = tokio::time::timeout(SOON, listed).await.expect("the letters arrive");
    expect(&listed, 1, &format!("dead letter: {} in transactional, dead, template welcome, code 10015", ids[0]));
    assert!(!listed.1.contains(&phone(1)), "{}", listed.1);
    let shown = operator(&world, &["dlq", "show", &ids[0]]).await;
    expect(&shown, 1, "NotificationDied");
    assert!(!shown.1.contains(&phone(1)) && !shown.1.contains("Ada"), "{}", shown.1);

    expect(&operator(&world, &["dlq", "redrive", &ids[0]]).await, 0, "is pending");
    let delivered = notified(&world, &users[0], "delivered").await;
    assert_eq!((delivered["id"].as_str(), &delivered["attempt"]), (Some(&*ids[0]), &json!(2)));
    assert_eq!(world.messages_to(&phone(1)).await.len(), 1);
    expect(&operator(&world, &["dlq", "redrive", &ids[0]]).await, 1, "cannot be sent once more");

    expect(&operator(&world, &["dlq", "discard", "--all"]).await, 0, "is failed");
    assert_eq!(notified(&world, &users[1], "failed").await["error_code"], "discarded");
    expect(&operator(&world, &["dlq", "list"]).await, 0, "0 dead letters, 0 unknown");
    assert!(world.messages_to(&phone(2)).await.is_empty());
    let nobody = "6f1d3c1e-8f0b-4c52-9a57-2b6f0e1d77a4";
    expect(&operator(&world, &["dlq", "redrive", nobody]).await, 1, "there is no such notification");
    expect(&operator(&world, &["dlq", "show", nobody]).await, 2, "there is no notification");
}

#[tokio::test]
async fn an_unknown_outcome_is_seen_and_sent_again_only_when_somebody_says_so() {
    let world = TestWorld::start().await;
    faults(&world, json!({ "accept_then_drop": 1, "webhooks": { "drop": true } })).await;
    let user = registered(&world, 1).await;
    let unknown = notified(&world, &user, "unknown").await;
    let listed = world.api.get("/v1/notifications?status=unknown").await.expect(200);
    assert_eq!(listed.body["items"][0]["id"], unknown["id"]);
    let id = unknown["id"].as_str().unwrap();
    expect(&operator(&world, &["dlq", "list"]).await, 1, &format!("unknown: {id} in transactional"));
    assert_eq!(world.messages_to(&phone(1)).await.len(), 1);
    expect(&operator(&world, &["dlq", "redrive", id]).await, 0, "is pending");
    faults(&world, json!({})).await;
    assert_eq!(notified(&world, &user, "delivered").await["attempt"], 2);
    assert_eq!(world.messages_to(&phone(1)).await.len(), 2);
}

#[tokio::test]
async fn an_empty_purse_stops_all_messages_until_one_gets_through_again() {
    let world = TestWorld::start().await;
    faults(&world, json!({ "reject": { "status": 429, "code": "40333", "retry_after": 3 } })).await;
    let first = registered(&world, 1).await;
    let refused = notified(&world, &first, "pending").await;
    let others = [registered(&world, 2).await, registered(&world, 3).await, registered(&world, 4).await];
    // One request was refused; the knob has run down, and whatever else was asked for would have been accepted.
    for user in &others {
        let path = format!("/v1/notifications?user_id={user}");
        let told = |answer: &crate::support::Answer| {
            let it = &answer.body["items"][0];
            it["error_code"] == "40333" || it["status"] == "delivered"
        };
        world.api.get_until(&path, told).await;
    }
    for user in [first].iter().chain(&others) {
        let delivered = notified(&world, user, "delivered").await;
        let tries = if delivered["id"] == refused["id"] { 2 } else { 1 };
        assert_eq!(delivered["attempt"], tries, "what is withheld is no try");
    }
    for number in 1..=4 {
        assert_eq!(world.messages_to(&phone(number)).await.len(), 1);
    }
}

/// By itself the queue shows it again only after a minute.
#[tokio::test]
async fn a_message_whose_handling_fails_comes_again_in_seconds_and_is_sent_once() {
    let parts = Parts::start().await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    let faults = Faults::start(parts.dynamodb_url());
    let _projector = parts.projector(&faults.url, &parts.dynamodb_url()).await;
    let mut left = 1;
    faults.choose(move |call| {
        let happens = left > 0 && !call.is_read() && call.item.contains("NotificationSending");
        left -= usize::from(happens);
        happens.then_some(Fault::Refuse("ValidationException"))
    });
    let user = parts.commands.post("/v1/users", &new_user(1)).await.expect(201).text("id");
    let path = format!("/v1/notifications?user_id={user}");
    let delivered = queries.get_until(&path, |answer| answer.body["items"][0]["status"] == "delivered").await;
    assert_eq!(faults.heal(), 1, "the handling failed once");
    assert_eq!(delivered.body["items"][0]["attempt"], 1, "what was not sent is no try");
    assert_eq!(messages_to(&parts.telnyx_url(), &phone(1)).await.len(), 1);
    parts.stop().await;
}

#[tokio::test]
async fn numbers_of_other_countries_get_nothing() {
    let world = TestWorld::start().await;
    let mut user = new_user(1);
    user["phone"] = json!("+18765550123");
    let user = world.api.post("/v1/users", &user).await.expect(201).text("id");
    assert_eq!(notified(&world, &user, "suppressed").await["error_code"], "country-not-allowed");
    assert!(world.messages_to("+18765550123").await.is_empty());
}

/// How many messages of the lane can be received, and how many somebody has in hand.
async fn counts(context: &Context) -> (usize, usize) {
    let sqs = &context.aws.sqs;
    let found = sqs.get_queue_url().queue_name(context.names.queue("notify-transactional")).send().await.unwrap();
    let get = sqs.get_queue_attributes().set_queue_url(found.queue_url).attribute_names("All".into());
    let found = get.send().await.unwrap().attributes.unwrap();
    let count = |name: &str| found[&name.into()].parse().unwrap();
    (count("ApproximateNumberOfMessages"), count("ApproximateNumberOfMessagesNotVisible"))
}

async fn until_counted(context: &Context, expected: (usize, usize)) {
    let counted = async {
        while counts(context).await != expected {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    let reached = tokio::time::timeout(SOON, counted).await;
    assert!(reached.is_ok(), "{expected:?} messages are there, not {:?}", counts(context).await);
}

/// Each deployment is a shutdown.
#[tokio::test]
async fn however_often_the_projector_is_shut_down_what_waits_is_not_taken_for_what_fails() {
    let parts = Parts::start().await;
    let context = context(&parts.settings()).await;
    let queues = Queues::find(context.aws.sqs.clone(), &context.names).await.unwrap();
    for number in 1..=3 {
        parts.commands.post("/v1/users", &new_user(number)).await.expect(201);
    }
    // One goes out at once, and the next one minutes later.
    let slow = [("FIELDFUZE_SMS_ACCOUNT_RATE", "0.005"), ("FIELDFUZE_SMS_SENDER_RATE", "0.005")];
    for _ in 0..=MAX_RECEIVES {
        let projector = parts.projector_around(&slow).await;
        until_counted(&context, (0, 2)).await;
        projector.signal(Signal::TERM);
        assert!(projector.ended().await, "it ends well");
        assert_eq!(counts(&context).await, (2, 0), "both are given back");
    }
    assert_eq!(queues.dead_backlog(Lane::Transactional).await.unwrap(), 0);
    let received = queues.receive(Lane::Transactional, 10).await.unwrap();
    assert!(received.iter().all(|message| message.times == 1), "{received:?}");
    parts.stop().await;
}
