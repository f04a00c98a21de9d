//! The three services on what was created from the templates: names, keys, indexes, queues and secrets are theirs.

use clap::Parser;
use dev::{
    access,
    proxy::{Proxy, Targets, VIEWER_ADDRESS},
    standin::Standin,
};
use events::ids::UserId;
use platform::{clock::Clock, lifecycle::Shutdown};
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::{
    support::{Client, operator, process::part},
    trip::trip,
};

/// Names the key in KMS that wraps; all else is told by the services' own variables.
const WRAPPING_KEY: &str = "FIELDFUZE_WRAPPING_KEY";

/// The key that the stand-in for Telnyx accepts.
const TELNYX_API_KEY: &str = "KEY-of-this-test";

const FOUNDER: &str = "founder@fieldfuze.example";

/// The arguments of a service beside what its environment says.
fn arguments(service: &str, listener: &TcpListener, public: &str, more: &[&str]) -> Vec<String> {
    let listen = listener.local_addr().unwrap().to_string();
    let own = [service, "--listen", &listen, "--public-url", public];
    own.iter().chain(more).map(ToString::to_string).collect()
}

#[tokio::test]
#[ignore = "needs the stacks on an emulator (.ci/infra)"]
async fn the_services_make_the_trip_on_what_cloudformation_created() {
    access::enforce();
    let key = std::env::var(WRAPPING_KEY).expect("the wrapping key is named");
    let created = part("projector").args(["keys", "create", "--kms-key", &key]).output().await.unwrap();
    operator::expect(&operator::finished(created), 0, "the keys are drawn");

    let (directory, clock, shutdown) = (tempfile::tempdir().unwrap(), Clock::system(), Shutdown::new());
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let standin = Standin::start(free(), directory.path(), clock.clone(), SecretString::from(TELNYX_API_KEY)).await;
    let standin = standin.unwrap();
    let [commands, queries, projector] = [free(), free(), free()].map(|listener| {
        listener.set_nonblocking(true).unwrap();
        TcpListener::from_std(listener).unwrap()
    });
    let targets = Targets { query: queries.local_addr().unwrap(), command: commands.local_addr().unwrap() };
    let proxy = Proxy::start(free(), targets, clock.clone()).unwrap();
    let public = proxy.url();

    let header = VIEWER_ADDRESS;
    let webhooks = ["--telnyx-public-keys", standin.public_key(), "--client-address-header", header.as_str()];
    let to_commands = arguments("command-api", &commands, &public, &webhooks);
    let name = ["--first-name", "Grace", "--last-name", "Founder", "--phone", "+15125550111"];
    let founding =
        part("command-api").arg("found").args(&to_commands[1..]).args(["--email", FOUNDER]).args(name).output();
    let founding = founding.await.unwrap();
    assert!(founding.status.success(), "{}", String::from_utf8_lossy(&founding.stderr));
    let password = String::from_utf8(founding.stdout).unwrap();

    let config = command_api::config::Config::parse_from(&to_commands);
    let state = command_api::state::AppState::open(&config, clock.clone()).await.unwrap();
    let first = tokio::spawn(command_api::server::serve(commands, state, shutdown.clone()));
    let config = query_api::config::Config::parse_from(arguments("query-api", &queries, &public, &[]));
    let state = query_api::state::AppState::open(&config, clock.clone()).await.unwrap();
    let second = tokio::spawn(query_api::server::serve(queries, state, shutdown.clone()));
    let telnyx = standin.url();
    let sending = [
        "--telnyx-url",
        &telnyx,
        "--telnyx-api-key",
        TELNYX_API_KEY,
        "--telnyx-from",
        "+15125550100",
        "--sms-countries",
        "US",
    ];
    let config = projector::config::Config::parse_from(arguments("projector", &projector, &public, &sending));
    let state = projector::state::AppState::open(&config, clock.clone()).await.unwrap();
    let third = tokio::spawn(projector::server::serve(projector, state, shutdown.clone()));

    let api = Client::new(&public);
    api.get_until("/readyz", |answer| answer.status.is_success()).await;
    let api = api.sign_in(FOUNDER, password.trim()).await;
    trip(&api, &telnyx, UserId::founder()).await;

    shutdown.begin();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    proxy.stop().await;
    standin.stop().await;
}
