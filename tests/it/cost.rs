//! What a request costs in calls to DynamoDB.

use dev::{
    engines::Engines,
    ports::Ports,
    seed,
    wiretap::{Call, Wiretap},
};
use platform::{clock::Clock, lifecycle::Shutdown};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Client, PASSWORD, new_user, send};

/// The three services, each behind a wiretap of its own.
struct Tapped {
    commands: Wiretap,
    queries: Wiretap,
    projector: Wiretap,
    command_api: Client,
    query_api: Client,
    shutdown: Shutdown,
    _directory: tempfile::TempDir,
    _engines: Engines,
}

impl Tapped {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data, clock, shutdown) = (directory.path(), Clock::system(), Shutdown::new());
        let engines = Engines::start(&Ports::ANY, data, clock.clone()).await.unwrap();
        let public = "http://127.0.0.1:1";
        let tap = async || Wiretap::start(engines.dynamodb_url()).await.unwrap();
        let (commands, queries, projector) = (tap().await, tap().await, tap().await);
        let settings = |tap: &Wiretap| {
            let mut settings = engines.settings(data, public);
            settings.dynamodb_url = Some(tap.url.clone());
            settings
        };
        let listen = || TcpListener::bind("127.0.0.1:0");
        let (first, second, third) = (listen().await.unwrap(), listen().await.unwrap(), listen().await.unwrap());
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (command_api, query_api) = (Client::new(&url(&first)), Client::new(&url(&second)));
        let health = Client::new(&url(&third));

        let config = command_api::config::Config {
            settings: settings(&commands),
            listen: first.local_addr().unwrap(),
            telnyx_public_keys: vec![engines.telnyx_public_key()],
            client_address_header: Some(dev::proxy::VIEWER_ADDRESS),
        };
        let state = command_api::state::AppState::open(&config, clock.clone()).await.unwrap();
        seed::administrator(&state, Some(SecretString::from(PASSWORD))).await.unwrap();
        tokio::spawn(command_api::server::serve(first, state, shutdown.clone()));
        let config = query_api::config::Config { settings: settings(&queries), listen: second.local_addr().unwrap() };
        let state = query_api::state::AppState::open(&config, clock.clone()).await.unwrap();
        tokio::spawn(query_api::server::serve(second, state, shutdown.clone()));
        let config = projector::config::Config {
            settings: settings(&projector),
            listen: third.local_addr().unwrap(),
            telnyx_url: engines.telnyx_url(),
            telnyx_api_key: engines.telnyx_api_key(),
            telnyx_from: engines.telnyx_from(),
            sms_countries: vec!["US".to_owned()],
            sms_account_rate: 50.0,
            sms_sender_rate: 50.0,
            sms_daily_segments: 1_000,
        };
        let state = projector::state::AppState::open(&config, clock).await.unwrap();
        tokio::spawn(projector::server::serve(third, state, shutdown.clone()));

        command_api.get_until("/readyz", |answer| answer.status.is_success()).await;
        query_api.get_until("/readyz", |answer| answer.status.is_success()).await;
        health.get_until("/readyz", |answer| answer.status.is_success()).await;
        let command_api = command_api.sign_in(seed::ADMINISTRATOR, PASSWORD).await;
        let query_api = query_api.with_token(command_api.token());
        Self {
            commands,
            queries,
            projector,
            command_api,
            query_api,
            shutdown,
            _directory: directory,
            _engines: engines,
        }
    }
}

#[tokio::test]
async fn a_command_without_a_unique_value_is_one_query_and_one_put_and_warm_it_is_one_put() {
    let tapped = Tapped::start().await;
    let api = &tapped.command_api;
    let created = api.post("/v1/users", &new_user(1)).await.expect(201);
    let path = format!("/v1/users/{}", created.text("id"));

    tapped.commands.take();
    api.patch(&path, "*", &json!({ "first_name": "Augusta" })).await.expect(200);
    assert_eq!(Call::of(&tapped.commands.take()), [("PutItem", "events")]);

    // The administrator's own stream was loaded at the sign-in only; a process that knows nothing loads once.
    let own = format!("/v1/users/{}", events::ids::UserId::seeded_administrator());
    let other = Tapped::start().await;
    other.commands.take();
    other.command_api.patch(&own, "*", &json!({ "last_name": "Admin" })).await.expect(200);
    let made = other.commands.take();
    assert!(
        matches!(Call::of(&made)[..], [("PutItem", "events")] | [("Query", "events"), ("PutItem", "events"), ..]),
        "{made:?}"
    );

    // Without effect it is read from the log and nothing is written.
    api.patch(&path, "*", &json!({ "first_name": "Augusta" })).await.expect(200);
    assert_eq!(Call::of(&tapped.commands.take()), [("Query", "events")]);
    tapped.shutdown.begin();
    other.shutdown.begin();
}

#[tokio::test]
async fn a_registration_is_one_transaction_and_reads_nothing_and_its_repeat_reads() {
    let tapped = Tapped::start().await;
    tapped.commands.take();
    let register = || async {
        let request =
            tapped.command_api.request(Method::POST, "/v1/users").header("idempotency-key", "one").json(&new_user(1));
        send(request).await.expect(201)
    };
    let created = register().await;
    assert_eq!(Call::of(&tapped.commands.take()), [("TransactWriteItems", "-")]);
    let repeat = register().await;
    assert_eq!(repeat.header("idempotent-replayed"), "true");
    assert_eq!(repeat.text("id"), created.text("id"));
    tapped.shutdown.begin();
}

#[tokio::test]
async fn projecting_an_event_is_two_writes_and_no_request_scans() {
    let tapped = Tapped::start().await;
    let administrator = format!("/v1/users/{}", events::ids::UserId::seeded_administrator());
    tapped.query_api.get_until(&administrator, |answer| answer.status.is_success()).await;

    tapped.projector.take();
    let role = json!({ "name": "Dispatcher", "level": 1, "permissions": ["users:read"] });
    let created = tapped.command_api.post("/v1/roles", &role).await.expect(201);
    let path = format!("/v1/roles/{}", created.text("id"));
    tapped.query_api.get_until(&path, |answer| answer.status.is_success()).await;
    let made = tapped.projector.take();
    let id = created.text("id");
    let wrote = made.iter().filter(|call| call.item.contains(&id));
    assert_eq!(Call::of(wrote), [("BatchWriteItem", "audit"), ("PutItem", "role")]);

    tapped.queries.take();
    tapped.commands.take();
    let token = created.header("consistency-token");
    for path in [path.as_str(), "/v1/users", "/v1/roles", "/v1/notifications", "/v1/audit", &administrator, "/v1/me"] {
        tapped.query_api.get_since(path, token).await.expect(200);
    }
    tapped.command_api.post("/v1/users", &new_user(1)).await.expect(201);
    let made: Vec<_> = tapped.queries.take().into_iter().chain(tapped.commands.take()).collect();
    assert!(!made.is_empty() && made.iter().all(|call| call.operation != "Scan"), "{made:?}");
    // A read by id whose row is fresh enough is one call; with the tail to fold it is two.
    tapped.query_api.get(&path).await.expect(200);
    assert_eq!(Call::of(&tapped.queries.take()), [("GetItem", "role")]);
    tapped.shutdown.begin();
}
