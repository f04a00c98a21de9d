//! A person is forgotten: nothing of theirs can be read anywhere, and the log still proves itself.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use events::{
    chain::Hash,
    commit::StoredCommit,
    ids::UserId,
    stream::{StreamId, Version},
    user::CodePurpose,
};
use platform::{
    credentials::Credential,
    store::decode_item,
    tables::{ALL, CREDENTIALS, EVENTS, QUEUES},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Client, PASSWORD, engine,
    operator::{command_at, expect, finished},
    process,
    process::Process,
    send,
    store::{context, settings_of},
};

/// What is known of the person, in every form in which it could be found.
const PERSONAL: [&str; 8] =
    ["Hedwig", "Kiesler", "hedwig.k", "hedwig.k@example.com", "lamarr@example.com", "+15125550177", "5550177", DEVICE];

/// What their device calls itself.
const DEVICE: &str = "Hertha's telephone";

fn person() -> Value {
    json!({
        "email": "Hedwig.K@example.com",
        "username": "hedwig.k",
        "first_name": "Hedwig",
        "last_name": "Kiesler",
        "phone": "+15125550177",
        "password": PASSWORD,
    })
}

/// Where a text holds something of the person, in whatever letter case.
#[track_caller]
fn assert_nothing_personal(place: &str, text: &str) {
    let text = text.to_lowercase();
    let found: Vec<_> = PERSONAL.iter().filter(|personal| text.contains(&personal.to_lowercase())).collect();
    assert!(found.is_empty(), "{place} holds {found:?}");
}

#[tokio::test]
async fn nothing_of_an_erased_person_can_be_read_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let world = Process::start(process::world(directory.path())).await;
    let nobody = Client::new(&world.public);
    let api = nobody.sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;
    let created = api.post("/v1/users", &person()).await.expect(201);
    let (id, path) = (created.text("id"), format!("/v1/users/{}", created.text("id")));
    api.patch(&path, "*", &json!({ "email": "lamarr@example.com", "reason": "Hedwig Kiesler asked" }))
        .await
        .expect(200);
    let login = json!({ "identifier": "hedwig.k", "password": PASSWORD });
    let login = nobody.request(Method::POST, "/v1/auth/login").header("user-agent", DEVICE).json(&login);
    let own = nobody.with_token(&send(login).await.expect(200).text("access_token"));
    let export = own.get(&format!("{path}/export")).await.expect(200);
    assert_eq!(export.body["user"]["last_name"], "Kiesler");
    assert_eq!(export.body["events"].as_array().unwrap().len(), 2);
    api.get_until("/v1/notifications", |answer| answer.body["items"][0]["status"] == "delivered").await;
    // An authenticator with recovery codes, a second one that waits, and a code that waits.
    own.set_up_totp().await;
    own.post("/v1/auth/mfa/totp", &json!({})).await.expect(200);
    own.post("/v1/auth/mfa/sms", &json!({})).await.expect(202);
    let client = engine::client(&world.dynamodb);
    let written = [
        Credential::Password,
        Credential::Totp,
        Credential::WaitingTotp,
        Credential::Recovery,
        Credential::Devices,
        Credential::Code(CodePurpose::SmsFactor),
    ];
    assert_credentials(&client, &id, &written).await;
    let sessions = engine::items(&client, "sessions").await;
    assert!(format!("{sessions:?}").contains(DEVICE), "{sessions:?}");

    let reason = json!({ "reason": "asked under the law" });
    let erased = api.post(&format!("{path}/erase"), &reason).await.expect(200);
    assert_eq!((&erased.body["status"], &erased.body["email"]), (&json!("erased"), &Value::Null));
    assert_eq!(api.post(&format!("{path}/erase"), &reason).await.expect(410).body["code"], "erased");
    api.patch(&path, "*", &json!({ "first_name": "Hedwig" })).await.expect(410);
    nobody.post("/v1/auth/login", &json!({ "identifier": "hedwig.k", "password": PASSWORD })).await.expect(401);
    api.get_since(&path, erased.header("consistency-token")).await.expect(410);
    own.get_until("/v1/me", |answer| answer.status.as_u16() == 401).await;
    api.get_until(&path, |answer| answer.status.as_u16() == 410).await;

    // Who did it, when and why is told; what it was about is not.
    let history = api.get(&format!("{path}/events")).await.expect(200);
    assert_nothing_personal("the history", &history.body.to_string());
    let last = history.body["items"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["type"], &last["reason"]), (&json!("UserErased"), &json!("asked under the law")));
    assert_eq!(last["actor"], format!("user#{}", events::ids::UserId::seeded_administrator()));
    let feed = api
        .get_until("/v1/audit?page_size=200", |answer| {
            let text = answer.body.to_string();
            text.contains("UserErased") && !text.contains("Kiesler")
        })
        .await;
    assert_nothing_personal("the audit feed", &feed.body.to_string());
    for list in ["/v1/users", "/v1/notifications", "/v1/users:export"] {
        let answer = api.request(reqwest::Method::GET, list).send().await.unwrap();
        assert!(answer.status().is_success());
        assert_nothing_personal(list, &answer.text().await.unwrap());
    }
    api.get(&format!("{path}/export")).await.expect(410);

    // Behind the API: every table and queue, and every chain still holds.
    assert_sessions_end(&client, &id).await;
    assert_credentials(&client, &id, &[]).await;
    Box::pin(assert_nothing_queued(&world, directory.path())).await;
    let out = directory.path().join("log.ndjson");
    let export = ["export", "--out", out.to_str().unwrap()];
    let exported = command_at(&world.dynamodb, &world.sqs, directory.path(), &export).output().await.unwrap();
    expect(&finished(exported), 0, "exported");
    let exported = std::fs::read_to_string(out).unwrap();
    assert!(exported.contains(&id));
    assert_nothing_personal("the export", &exported);
    for table in ALL {
        let items = engine::items(&client, table.name).await;
        assert_nothing_personal(table.name, &format!("{items:?}"));
    }
    assert_chains_hold(
        &engine::items(&client, EVENTS.name).await.iter().map(|item| decode_item(item).unwrap()).collect::<Vec<_>>(),
    );

    // What they signed in with is free.
    let again = api.post("/v1/users", &person()).await.expect(201);
    assert_ne!(again.text("id"), id);
    assert_nothing_personal("the log", &world.kill().await);
}

/// Their sessions are swept once the erasure is projected.
async fn assert_sessions_end(client: &aws_sdk_dynamodb::Client, user: &str) {
    let swept = async {
        while format!("{:?}", engine::items(client, "sessions").await).contains(user) {
            tokio::time::sleep(crate::support::ASK_EVERY).await;
        }
    };
    tokio::time::timeout(crate::support::SOON, swept).await.expect("the sessions are swept");
}

/// What lies in `credentials` of a user is this and no more.
async fn assert_credentials(client: &aws_sdk_dynamodb::Client, user: &str, wanted: &[Credential]) {
    let mut found: Vec<String> = Vec::new();
    for mut row in engine::items(client, CREDENTIALS.name).await {
        let Some(AttributeValue::S(place)) = row.remove(CREDENTIALS.partition.name) else { panic!("{row:?}") };
        if place.starts_with(user) {
            found.push(place);
        }
    }
    let user = UserId(user.parse().unwrap());
    let mut wanted: Vec<String> = wanted.iter().map(|credential| credential.place(user)).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

/// No lane and no dead letter holds anything of the person.
async fn assert_nothing_queued(world: &Process, data: &std::path::Path) {
    let context = context(&settings_of(world, data)).await;
    let sqs = &context.aws.sqs;
    for name in QUEUES.iter().flat_map(|queue| [queue.name, queue.dead_letters]) {
        let url = sqs.get_queue_url().queue_name(context.names.queue(name)).send().await.unwrap();
        let receive = sqs.receive_message().set_queue_url(url.queue_url).max_number_of_messages(10);
        let messages = receive.visibility_timeout(0).message_attribute_names("All").send().await.unwrap();
        assert_nothing_personal(name, &format!("{messages:?}"));
    }
}

fn assert_chains_hold(commits: &[StoredCommit]) {
    let mut streams: BTreeMap<StreamId, BTreeMap<Version, &StoredCommit>> = BTreeMap::new();
    for commit in commits {
        streams.entry(commit.stream).or_default().insert(commit.version, commit);
    }
    for (stream, commits) in streams {
        let mut before = Hash::GENESIS;
        for commit in commits.values() {
            assert_eq!(commit.expected_hash(&before), commit.hash, "{stream} at {}", commit.version);
            before = commit.hash;
        }
    }
}
