//! A whole run with a canary in it, and everything that it writes searched for the canary.

use platform::tables::{ALL, USERS};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, PASSWORD, engine, messages_to, new_user,
    operator::{command_at, finished},
    process::{self, Process},
};

/// The canary's own number, name and password.
const NUMBER: &str = "+15127734197";
const NAME: &str = "Canarina";
const SECRET: &str = "a canary sings in the mine 71";

/// What is logged: all that we say ourselves. What libraries say at their most talkative is not for production.
const LOGGED: &str = "info,events=trace,platform=trace,command_api=trace,query_api=trace,projector=trace,dev=trace";

async fn faults(telnyx: &Client, faults: &Value) {
    let set = telnyx.request(Method::PUT, "/_standin/faults").json(faults).send().await.unwrap();
    assert!(set.status().is_success());
}

fn has(answer: &Answer, template: &str, status: &str) -> bool {
    let items = answer.body["items"].as_array().into_iter().flatten();
    items.into_iter().any(|it| it["template"] == template && it["status"] == status)
}

#[tokio::test]
async fn nothing_that_a_run_writes_tells_a_number_a_text_a_code_or_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = process::world(directory.path());
    world.env("RUST_LOG", LOGGED);
    let world = Process::start(world).await;
    let api = Client::new(&world.public).sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;
    let telnyx = Client::new(&world.telnyx);
    let mut user = new_user(1);
    for (field, value) in
        [("phone", NUMBER), ("first_name", NAME), ("last_name", NAME), ("username", "canarina"), ("password", SECRET)]
    {
        user[field] = value.into();
    }
    user["email"] = "canarina@example.com".into();
    let id = api.post("/v1/users", &user).await.expect(201).text("id");
    let list = format!("/v1/notifications?user_id={id}");
    api.get_until(&list, |answer| has(answer, "welcome", "delivered")).await;

    // A wrong password, a code that arrives, one that nobody knows of, and one that Telnyx cannot read.
    let sign_in = |password: &str| json!({ "identifier": "canarina", "password": password });
    api.post("/v1/auth/login", &sign_in("not what the canary sings")).await.expect(401);
    api.post("/v1/auth/login", &sign_in(SECRET)).await.expect(200);
    let reset = json!({ "identifier": "canarina" });
    api.post("/v1/auth/password-reset", &reset).await.expect(202);
    api.get_until(&list, |answer| has(answer, "password-reset", "delivered")).await;
    faults(&telnyx, &json!({ "accept_then_drop": 1, "webhooks": { "drop": true } })).await;
    api.post("/v1/auth/password-reset", &reset).await.expect(202);
    api.get_until(&list, |answer| has(answer, "password-reset", "unknown")).await;
    faults(&telnyx, &json!({ "reject": { "status": 400, "code": "10015" } })).await;
    api.post("/v1/auth/password-reset", &reset).await.expect(202);
    let dead = api.get_until(&list, |answer| has(answer, "password-reset", "dead")).await;
    // STOP and START, and a message that is none of ours to keep.
    faults(&telnyx, &json!({})).await;
    for text in ["STOP", "START", "Canarina is at home"] {
        let address = format!("{}/v1/webhooks/telnyx", world.public);
        let message = json!({ "from": NUMBER, "to": "+15125559999", "text": text, "webhook_url": address });
        telnyx.post("/_standin/inbound", &message).await.expect(202);
    }
    api.get_until("/v1/audit?page_size=200", |answer| answer.body.to_string().contains("NumberOptedIn")).await;

    let mut written = Vec::new();
    let listed = items(&dead).iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let shown = listed.iter().map(|id| vec!["dlq", "show", id.as_str()]);
    for arguments in [vec!["dlq", "list"], vec!["dlq", "list", "--json"]].into_iter().chain(shown) {
        let (_, said) =
            finished(command_at(&world.dynamodb, &world.sqs, directory.path(), &arguments).output().await.unwrap());
        written.push((arguments.join(" "), said));
    }
    assert!(written[0].1.contains("1 dead letters, 1 unknown"), "{}", written[0].1);
    let dynamodb = engine::client(&world.dynamodb);
    // The read model of users is what the query API serves. `sessions` holds where they signed in from, and no more of them.
    for table in ALL.iter().filter(|table| table.name != USERS.name) {
        let items = format!("{:?}", engine::items(&dynamodb, table.name).await);
        let is_told = ["audit", "sessions", "notifications"].contains(&table.name);
        assert!(!is_told || items.contains(&id), "{} tells nothing of the canary", table.name);
        written.push((table.name.to_owned(), items));
    }
    let messages = messages_to(&world.telnyx, NUMBER).await;
    written.push(("the log".to_owned(), world.kill().await));

    let texts: Vec<&str> = messages.iter().map(|message| message["text"].as_str().unwrap()).collect();
    let codes = texts.iter().flat_map(|text| text.split(|letter: char| !letter.is_ascii_digit()));
    let codes: Vec<&str> = codes.filter(|digits| digits.len() == 8).collect();
    assert!(texts.len() >= 3 && codes.len() >= 2, "{texts:?}");
    let numbers = [NUMBER.trim_start_matches('+'), "KEY-of-the-local-stand-in", NAME, "canarina", SECRET];
    let secrets: Vec<&str> =
        numbers.into_iter().chain(codes).chain(["is your code", "Your account is ready"]).collect();
    for (place, text) in &written {
        assert!(!text.is_empty(), "{place}");
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
}

fn items(answer: &Answer) -> &[Value] {
    answer.body["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}
