//! The keys in AWS Secrets Manager.

use chrono::TimeDelta;
use platform::{
    access::Principal,
    aws::Aws,
    clock::Clock,
    context::Context,
    crypto::{Secrets, SecretsError, SecretsSource, SigningAlgorithm},
    lifecycle::Shutdown,
    settings::Settings,
    tokens::replace_all,
};
use tokio::net::TcpListener;

use super::{
    ASK_EVERY, Client, Duration, SOON, TestWorld, Value, expect, keys,
    secrets_manager::{ID, SecretsManager},
};
use crate::support::operator;

/// A world whose secrets somebody else keeps, too, and what a service that reads them there is told.
async fn start() -> (TestWorld, SecretsManager, Settings, tempfile::TempDir) {
    let world = TestWorld::start().await;
    let text = std::fs::read_to_string(world.directory.path().join(Secrets::FILE)).unwrap();
    let manager = SecretsManager::start(&text).await;
    // Nothing lies in the data directory.
    let empty = tempfile::tempdir().unwrap();
    let settings = Settings {
        secrets_id: Some(ID.to_owned()),
        secrets_manager_url: Some(manager.url.clone()),
        data_dir: empty.path().to_owned(),
        ..world.settings()
    };
    (world, manager, settings, empty)
}

/// Runs an operator's command on the secret.
async fn command(world: &TestWorld, settings: &Settings, arguments: &[&str]) -> (i32, String) {
    let mut command = operator::command(world, arguments);
    command.env("FIELDFUZE_DATA_DIR", &settings.data_dir).env("FIELDFUZE_SECRETS_ID", ID);
    command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", settings.secrets_manager_url.as_ref().unwrap());
    operator::finished(command.output().await.unwrap())
}

/// The names of the keys that a service has.
fn names(context: &Context) -> Vec<String> {
    let keys = context.authenticator.verifier.key_set().keys;
    keys.into_iter().filter_map(|key| key.common.key_id).collect()
}

/// Waits until this is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let asking = async {
        while !so() {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(SOON, asking).await.unwrap_or_else(|_| panic!("never {what}"));
}

#[tokio::test]
async fn services_live_on_the_secret_and_follow_its_rotation() {
    let (world, manager, settings, _empty) = start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = query_api::config::Config { settings: settings.clone(), listen: address };
    let state = query_api::state::AppState::open(&config, Clock::system()).await.unwrap();
    let shutdown = Shutdown::new();
    tokio::spawn(query_api::server::serve(listener, state, shutdown.clone()));
    let queries = Client::new(&format!("http://{address}")).with_token(world.api.token());
    queries.get_until("/readyz", |answer| answer.status.is_success()).await;
    queries.get("/v1/me").await.expect(200);
    shutdown.begin();

    for principal in Principal::ALL {
        Context::connect(&settings, principal, Clock::system()).await.unwrap();
    }
    let (context, _) = Context::connect(&settings, Principal::QueryApi, Clock::system()).await.unwrap();
    let following = context.token_keys.clone().follow_every(ASK_EVERY, context.secrets.clone());
    let following = tokio::spawn(following);
    let before = names(&context);
    expect(&command(&world, &settings, &["keys", "rotate"]).await, 2, "not everybody knows the next key");
    assert_eq!(manager.inner().versions.len(), 1);
    let mut aged: Value = serde_json::from_str(&manager.text()).unwrap();
    keys::aged(&mut aged, TimeDelta::days(1));
    manager.set(&aged.to_string());
    // The first write is kept but not answered: the same one again is no other.
    manager.inner().mute = 1;
    expect(&command(&world, &settings, &["keys", "rotate"]).await, 0, "the keys are rotated");
    assert_eq!(manager.inner().versions.len(), 3);
    until("rotated", || names(&context).len() == 3).await;
    let rotated = names(&context);
    assert_eq!((&rotated[0], &rotated[2]), (&before[1], &before[0]));
    let verifies = || context.authenticator.verifier.verify(world.api.token(), context.clock.now()).is_ok();
    assert!(verifies());
    // Nothing but the keys is another.
    let mut after: Value = serde_json::from_str(&manager.text()).unwrap();
    assert_ne!(after["signing"].take(), aged["signing"].take());
    assert_eq!(after, aged);

    // Neither a silent Secrets Manager nor a broken secret takes the keys away.
    manager.inner().broken = true;
    let asked = manager.inner().calls;
    until("asked again", || manager.inner().calls > asked + 5).await;
    manager.inner().broken = false;
    let good = manager.text();
    manager.set("{}");
    let asked = manager.inner().calls;
    until("asked again", || manager.inner().calls > asked + 2).await;
    assert_eq!((names(&context), verifies(), following.is_finished()), (rotated, true, false));

    manager.set(&good);
    expect(&command(&world, &settings, &["keys", "rotate", "--emergency"]).await, 0, "within 70 seconds");
    until("replaced", || !verifies()).await;
    expect(&command(&world, &settings, &["keys", "show"]).await, 0, &names(&context)[0]);
    following.abort();
    world.world.stop().await;
}

#[tokio::test]
async fn of_two_operators_at_once_the_second_is_refused() {
    let (world, manager, settings, _empty) = start().await;
    let aws = Aws::connect(&settings, Principal::Operator).await;
    let source = SecretsSource::new(&settings, &aws);
    assert_eq!(source.read_every(), Duration::from_mins(1));
    let (first, second) = (source.hold().await.unwrap(), source.hold().await.unwrap());
    let keys = || replace_all(SigningAlgorithm::EdDsa, Clock::system().now()).unwrap();
    first.replace_signing(keys()).await.unwrap();
    assert!(matches!(second.replace_signing(keys()).await, Err(SecretsError::Contended)));
    assert_eq!(manager.inner().versions.len(), 2);
    // Who looks again may go on.
    source.hold().await.unwrap().replace_signing(keys()).await.unwrap();

    let elsewhere = Settings { secrets_id: Some("another".to_owned()), ..settings };
    let missing = Context::connect(&elsewhere, Principal::QueryApi, Clock::system()).await.unwrap_err();
    assert!(matches!(missing, SecretsError::Manager { .. }), "{missing}");
    world.world.stop().await;
}
