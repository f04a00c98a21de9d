//! Who waits for their turn: what happens meanwhile counts, and who is more urgent is not shut out by others.

use serde_json::{Value, json};

use crate::support::{
    ASK_EVERY, Client, SOON, gate::Gate, messages::notified, messages_to, new_user, parts::Parts, phone, store::context,
};

/// A number that somebody gets while their message waits.
const NEW_NUMBER: u32 = 101;

/// Asks until it is so.
async fn until(what: &str, mut asked: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !asked().await {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(SOON, asking).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn who_waited_for_their_turn_is_judged_by_what_is_so_when_it_comes() {
    let parts = Parts::start().await;
    let (queries, telnyx) = (parts.query_api(&parts.dynamodb_url()).await, parts.telnyx_url());
    let mut waiting = Vec::new();
    for number in 1..=3 {
        // With a password: whoever is invited at another number is sent another invitation.
        let mut user = new_user(number);
        user["password"] = json!("wind 7 over the grey harbour");
        waiting.push((number, parts.commands.post("/v1/users", &user).await.expect(201).text("id")));
    }
    // All are judged at once, the first goes out at once, the next one ten seconds later.
    let gate = Gate::before(parts.dynamodb_url());
    let around = [("AWS_ENDPOINT_URL_DYNAMODB", &*gate.url()), ("FIELDFUZE_SMS_SENDER_RATE", "0.1")];
    let _projector = parts.projector_around(&around).await;
    let sent = async |number: u32| messages_to(&telnyx, &phone(number)).await.len();
    let asked_for_numbers = || {
        let all = gate.exchanges();
        all.iter().filter(|it| String::from_utf8_lossy(&it.request.body).contains("\"number#")).count()
    };
    until("all are judged", async || asked_for_numbers() >= 3).await;
    until("one goes out", async || sent(1).await + sent(2).await + sent(3).await == 1).await;
    let mut left = Vec::new();
    for (number, user) in waiting {
        if sent(number).await == 0 {
            left.push((number, user));
        }
    }
    let [(stopped, who_stopped), (moved, who_moved)] = &left[..] else { panic!("{left:?}") };

    let stop = json!({
        "from": phone(*stopped), "to": "+15125559999", "text": "STOP",
        "webhook_url": format!("{}/v1/webhooks/telnyx", parts.commands.base()),
    });
    Client::new(&telnyx).post("/_standin/inbound", &stop).await.expect(202);
    let path = format!("/v1/users/{who_moved}");
    parts.commands.patch(&path, "*", &json!({ "phone": phone(NEW_NUMBER) })).await.expect(200);
    let context = context(&parts.settings()).await;
    let number: events::values::Phone = serde_json::from_value(phone(*stopped).into()).unwrap();
    until("the wish is heard", async || context.numbers.is_opted_out(&number).await.unwrap()).await;
    assert_eq!(sent(*stopped).await + sent(*moved).await, 0, "their turn has not come yet");

    assert_eq!(notified(&queries, who_stopped, "suppressed").await["error_code"], "opted-out");
    notified(&queries, who_moved, "delivered").await;
    assert_eq!((sent(*stopped).await, sent(*moved).await, sent(NEW_NUMBER).await), (0, 0, 1));
    parts.stop().await;
}

#[tokio::test]
async fn a_days_end_for_what_somebody_did_is_not_the_end_for_one_time_codes() {
    let parts = Parts::start().await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    // One segment a day: it is left to a code.
    let around = [("FIELDFUZE_SMS_DAILY_SEGMENTS", "1")];
    let _projector = parts.projector_around(&around).await;
    let mut user = new_user(1);
    user["password"] = json!("wind 7 over the grey harbour");
    let user = parts.commands.post("/v1/users", &user).await.expect(201).text("id");
    let list = format!("/v1/notifications?user_id={user}");
    let stands = |body: &Value, template: &str, field: &str, value: &str| {
        let items = body["items"].as_array().into_iter().flatten();
        items.into_iter().any(|it| it["template"] == template && it[field] == value)
    };
    queries.get_until(&list, |answer| stands(&answer.body, "welcome", "error_code", "daily-cap")).await;
    let reset = json!({ "identifier": "person1" });
    parts.commands.post("/v1/auth/password-reset", &reset).await.expect(202);
    let answer = queries.get_until(&list, |answer| stands(&answer.body, "password-reset", "status", "delivered")).await;
    assert!(stands(&answer.body, "welcome", "status", "pending"), "{}", answer.body);
    assert_eq!(messages_to(&parts.telnyx_url(), &phone(1)).await.len(), 1);
    parts.stop().await;
}
