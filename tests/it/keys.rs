//! The keys of access tokens while a world runs: their rotation, their end, and AWS Secrets Manager.

mod manager;
pub mod secrets_manager;

use std::{os::unix::fs::PermissionsExt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use platform::{
    access::Principal,
    aws::Aws,
    clock::Clock,
    context::Context,
    crypto::{Secrets, SecretsSource},
    tokens::Signer,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{
    ASK_EVERY, Answer, Client, PASSWORD, SOON, TestWorld, keys, new_user,
    operator::{expect, operator},
    send,
};

/// How soon running services must have seen that the file has changed: what `docs/SECURITY.md` promises.
const SEEN_WITHIN: Duration = Duration::from_secs(15);

/// Algorithm and key of a token.
fn header_of(token: &str) -> (String, String) {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let text = |name: &str| header[name].as_str().unwrap().to_owned();
    (text("alg"), text("kid"))
}

/// The names of the published keys, and how long they may be kept.
async fn published(api: &Client) -> (Vec<String>, String) {
    let answer = api.get("/.well-known/jwks.json").await.expect(200);
    let keys = answer.body["keys"].as_array().unwrap();
    let private = ["d", "k", "p", "q"];
    assert!(keys.iter().all(|key| private.iter().all(|field| key.get(field).is_none())), "{}", answer.body);
    let names = keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    (names, answer.header("cache-control").to_owned())
}

/// What both APIs answer to a token: a read, and a write that is only tried.
async fn asked(api: &Client, token: &str) -> [Answer; 2] {
    let api = api.with_token(token);
    let written = api.request(Method::POST, "/v1/users?validate_only=true").json(&new_user(1));
    [api.get("/v1/me").await, send(written).await]
}

async fn login(api: &Client) -> Answer {
    let request = json!({ "identifier": dev::seed::ADMINISTRATOR, "password": PASSWORD });
    api.post("/v1/auth/login", &request).await.expect(200)
}

#[tokio::test]
async fn a_rotation_ends_no_token_and_an_emergency_ends_them_all() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let old = login(api).await;
    let (old, refresh) = (old.text("access_token"), old.text("refresh_token"));
    let (names, cached) = published(api).await;
    let [first, second] = <[String; 2]>::try_from(names).unwrap();
    assert_eq!(header_of(&old), ("EdDSA".to_owned(), first.clone()));
    assert_eq!(cached, "public, max-age=300");

    // Nobody may know the next key yet.
    expect(&operator(&world, &["keys", "rotate"]).await, 2, "not everybody knows the next key");
    keys::age(world.directory.path(), TimeDelta::days(90));
    expect(&operator(&world, &["keys", "rotate", "--algorithm", "es256"]).await, 0, "the keys are rotated");
    expect(&operator(&world, &["keys", "show"]).await, 0, &format!("current: {second}, EdDSA"));
    let path = world.directory.path().join(Secrets::FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, said) = operator(&world, &["keys", "show", "--json"]).await;
    let (said, kept) = (serde_json::from_str::<Value>(&said).unwrap(), std::fs::read(&path).unwrap());
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!((code, said["keys"].as_array().unwrap().len()), (0, 3));
    for place in ["current", "next", "previous"] {
        let key = &kept["signing"][place]["key"];
        assert!(key.is_string() && !said.to_string().contains(&key.to_string()), "{place}");
    }

    let turned = async {
        loop {
            let token = login(api).await.text("access_token");
            let (names, _) = published(api).await;
            if header_of(&token).1 == second && names.len() == 3 {
                return (token, names);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    let (new, names) = tokio::time::timeout(SEEN_WITHIN, turned).await.expect("the keys are taken up");
    assert_eq!((&names[0], &names[2]), (&second, &first));
    for token in [&old, &new] {
        for answer in asked(api, token).await {
            answer.expect(200);
        }
    }
    expect(&operator(&world, &["keys", "rotate"]).await, 2, "rotate then");

    let began = Instant::now();
    expect(&operator(&world, &["keys", "rotate", "--emergency", "--algorithm", "es256"]).await, 0, "all keys are new");
    let ended = async {
        for token in [&old, &new] {
            while asked(api, token).await.iter().any(|answer| answer.status != 401) {
                tokio::time::sleep(ASK_EVERY).await;
            }
        }
    };
    tokio::time::timeout(SEEN_WITHIN, ended).await.expect("every token has ended");
    println!("every token had ended {:?} after the command began", began.elapsed());

    // Sessions go on, now with the other algorithm.
    let fresh = api.post("/v1/auth/refresh", &json!({ "refresh_token": refresh })).await.expect(200);
    let fresh = fresh.text("access_token");
    let (names, _) = published(api).await;
    assert_eq!((header_of(&fresh), names.len()), (("ES256".to_owned(), names[0].clone()), 2));
    assert!(![first, second].contains(&names[0]));
    let api = api.with_token(&fresh);
    let user = api.post("/v1/users", &new_user(2)).await.expect(201);
    let path = format!("/v1/users/{}", user.text("id"));
    api.get_since(&path, user.header("consistency-token")).await.expect(200);
    world.world.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_again_leaves_the_keys_as_they_are() {
    let world = TestWorld::start().await;
    let settings = world.settings();
    let (context, _) = Context::connect(&settings, Principal::Elsewhere, Clock::system()).await.unwrap();
    let source = SecretsSource::new(&settings, &Aws::connect(&settings, Principal::Elsewhere).await);
    let verifies = || context.authenticator.verifier.verify(world.api.token(), context.clock.now()).is_ok();
    let path = settings.data_dir.join(Secrets::FILE);
    let text = std::fs::read(&path).unwrap();
    assert!(!context.token_keys.read_again(&source).await.unwrap());
    for broken in ["", "{", "[]", "{\"signing\":\"AAAA\"}"] {
        std::fs::write(&path, broken).unwrap();
        context.token_keys.read_again(&source).await.unwrap_err();
        assert!(verifies(), "{broken}");
    }
    std::fs::remove_file(&path).unwrap();
    context.token_keys.read_again(&source).await.unwrap_err();
    assert!(verifies());
    expect(&operator(&world, &["keys", "rotate", "--emergency"]).await, 2, "cannot use the secrets file");
    assert!(!path.exists());
    std::fs::write(&path, &text).unwrap();

    // Of two operators at once one is refused, and nothing is lost of what the other writes.
    let held = source.hold().await.unwrap();
    expect(&operator(&world, &["keys", "rotate", "--emergency"]).await, 2, "somebody else");
    drop(held);
    expect(&operator(&world, &["keys", "rotate", "--emergency"]).await, 0, "all keys are new");
    assert!(context.token_keys.read_again(&source).await.unwrap());
    assert!(!verifies());
    let (mut before, mut after): (Value, Value) =
        (serde_json::from_slice(&text).unwrap(), serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap());
    assert_ne!(before["signing"].take(), after["signing"].take());
    assert_eq!(before, after);
    world.world.stop().await;
}

#[tokio::test]
async fn a_world_of_one_old_key_goes_on_and_publishes_a_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let secrets = Secrets::load_or_create(directory.path(), Clock::system().now()).unwrap();
    let path = directory.path().join(Secrets::FILE);
    let mut text: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    text["signing"] = text["signing"]["current"]["key"].take();
    std::fs::write(&path, text.to_string()).unwrap();
    // What an older build signed with it is good.
    let keys = platform::tokens::TokenKeys::new(secrets.signing()).unwrap();
    let world = TestWorld::start_in(directory).await;
    let (context, _) = Context::connect(&world.settings(), Principal::Elsewhere, Clock::system()).await.unwrap();
    let claims = context.authenticator.verifier.verify(world.api.token(), context.clock.now()).unwrap();
    for answer in asked(&world.api, &Signer::new(keys).sign(&claims).unwrap()).await {
        answer.expect(200);
    }
    let (names, _) = published(&world.api).await;
    assert_eq!((names.len(), &names[0]), (2, &header_of(world.api.token()).1));
    world.world.stop().await;
}

#[tokio::test]
async fn whoever_knows_the_issuer_finds_the_keys() {
    let world = TestWorld::start().await;
    let nobody = Client::new(world.api.base());
    let answer = nobody.get("/.well-known/openid-configuration").await.expect(200);
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.text("issuer"), world.world.addresses.public);
    let keys: Value = reqwest::get(answer.text("jwks_uri")).await.unwrap().json().await.unwrap();
    let known = answer.body["id_token_signing_alg_values_supported"].as_array().unwrap();
    assert!(keys["keys"].as_array().unwrap().iter().all(|key| known.contains(&key["alg"])), "{keys}");
    // What there is not is not promised (RFC 8414 §2).
    for name in ["authorization_endpoint", "token_endpoint", "response_types_supported", "grant_types_supported"] {
        assert!(answer.body.get(name).is_none(), "{name}");
    }
    world.world.stop().await;
}
