//! What is sent, what is withheld, and what is looked after when sending goes wrong.

use chrono::{Days, NaiveTime};
use events::{
    ids::NotificationId,
    notification::{Delivery, Lane},
};
use platform::{clock::Clock, context::Context, tables::MAX_RECEIVES};
use projector::notify::Queues;
use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    ASK_EVERY, SOON, TestWorld,
    faults::{Fault, Faults},
    messages::{faults, notified, registered},
    messages_to, new_user,
    operator::{expect, operator},
    parts::Parts,
    phone,
    store::context,
};

#[tokio::test]
async fn a_request_that_the_provider_cannot_read_goes_to_the_dead_letters_and_is_redriven_under_its_id() {
    let world = TestWorld::start().await;
    expect(&operator(&world, &["dlq", "list"]).await, 0, "0 dead letters, 0 unknown");
    faults(&world.world.addresses.telnyx, json!({ "reject": { "count": 2, "status": 400, "code": "10015" } })).await;
    let users = [registered(&world.api, 1).await, registered(&world.api, 2).await];
    let dead = [notified(&world.api, &users[0], "dead").await, notified(&world.api, &users[1], "dead").await];
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
    let delivered = notified(&world.api, &users[0], "delivered").await;
    assert_eq!((delivered["id"].as_str(), &delivered["attempt"]), (Some(&*ids[0]), &json!(2)));
    assert_eq!(world.messages_to(&phone(1)).await.len(), 1);
    expect(&operator(&world, &["dlq", "redrive", &ids[0]]).await, 1, "cannot be sent once more");

    expect(&operator(&world, &["dlq", "discard", "--all"]).await, 0, "is failed");
    assert_eq!(notified(&world.api, &users[1], "failed").await["error_code"], "discarded");
    expect(&operator(&world, &["dlq", "list"]).await, 0, "0 dead letters, 0 unknown");
    assert!(world.messages_to(&phone(2)).await.is_empty());
    let nobody = "6f1d3c1e-8f0b-4c52-9a57-2b6f0e1d77a4";
    expect(&operator(&world, &["dlq", "redrive", nobody]).await, 1, "there is no such notification");
    expect(&operator(&world, &["dlq", "show", nobody]).await, 2, "there is no notification");
}

#[tokio::test]
async fn an_unknown_outcome_is_seen_and_sent_again_only_when_somebody_says_so() {
    let world = TestWorld::start().await;
    faults(&world.world.addresses.telnyx, json!({ "accept_then_drop": 1, "webhooks": { "drop": true } })).await;
    let user = registered(&world.api, 1).await;
    let unknown = notified(&world.api, &user, "unknown").await;
    let listed = world.api.get("/v1/notifications?status=unknown").await.expect(200);
    assert_eq!(listed.body["items"][0]["id"], unknown["id"]);
    let id = unknown["id"].as_str().unwrap();
    expect(&operator(&world, &["dlq", "list"]).await, 1, &format!("unknown: {id} in transactional"));
    assert_eq!(world.messages_to(&phone(1)).await.len(), 1);
    expect(&operator(&world, &["dlq", "redrive", id]).await, 0, "is pending");
    faults(&world.world.addresses.telnyx, json!({})).await;
    assert_eq!(notified(&world.api, &user, "delivered").await["attempt"], 2);
    assert_eq!(world.messages_to(&phone(1)).await.len(), 2);
}

/// Telnyx's own headers stand in every answer, and tell of the rate: nothing that a day's limit would wait for.
#[tokio::test]
async fn a_spend_limit_stops_all_messages_until_midnight_whatever_the_headers_say() {
    let world = TestWorld::start().await;
    let reject = json!({ "count": 100, "status": 429, "code": "40333", "retry_after": 1, "rate_limit_reset": 0 });
    faults(&world.world.addresses.telnyx, json!({ "reject": reject })).await;
    let midnight = (Clock::system().now().date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
    let mut all = Vec::new();
    for number in 1..=4 {
        let user = registered(&world.api, number).await;
        let path = format!("/v1/notifications?user_id={user}");
        let told = world.api.get_until(&path, |answer| answer.body["items"][0]["error_code"] == "40333").await;
        all.push(told.body["items"][0].clone());
    }
    let context = context(&world.settings()).await;
    let mut tries = Vec::new();
    for it in all {
        let id: NotificationId = it["id"].as_str().unwrap().parse().unwrap();
        let state = context.notifications.load(id.into()).await.unwrap().state.unwrap();
        assert!(state.due.is_some_and(|due| due >= midnight), "{state:?}");
        assert_eq!(state.status, Delivery::Pending);
        tries.push(state.attempt);
    }
    assert_eq!((tries[0], tries[3]), (1, 0), "what is withheld is no try");
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
        happens.then_some(Fault::Refuse("ResourceNotFoundException"))
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
    assert_eq!(notified(&world.api, &user, "suppressed").await["error_code"], "country-not-allowed");
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
        // Given back, or else handed to nobody, and hidden for a minute.
        until_counted(&context, (2, 0)).await;
    }
    assert_eq!(queues.dead_backlog(Lane::Transactional).await.unwrap(), 0);
    let received = queues.receive(Lane::Transactional, 10).await.unwrap();
    assert!(received.iter().all(|message| message.times == 1), "{received:?}");
    parts.stop().await;
}
