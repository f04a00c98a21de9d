//! The wrapping key from KMS: asked for once, and never guessed when it does not answer.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use events::{ids::UserId, user::User};
use platform::{
    access::Principal,
    clock::Clock,
    context::Context,
    crypto::{Secrets, SecretsError},
    settings::Settings,
};
use serde_json::{Value, json};

use crate::{
    keys::secrets_manager::{ID, SecretsManager},
    support::{TestWorld, new_user, operator},
};

/// What KMS is given to open.
const WRAPPED: &str = "d3JhcHBlZA==";

/// A KMS that knows one key, or is given one to wrap, or has lost its mind.
#[derive(Clone)]
struct Kms {
    /// The key, unless it has lost its mind.
    plain: Arc<Mutex<Option<String>>>,
    calls: Arc<AtomicUsize>,
}

async fn answer(State(kms): State<Kms>, headers: HeaderMap, request: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&request).unwrap_or_default();
    kms.calls.fetch_add(1, Ordering::SeqCst);
    let mut known = kms.plain.lock().unwrap();
    if headers["x-amz-target"] == "TrentService.Encrypt" {
        *known = Some(request["Plaintext"].as_str().unwrap().to_owned());
        return Json(json!({ "KeyId": request["KeyId"], "CiphertextBlob": WRAPPED })).into_response();
    }
    match &*known {
        Some(plain) if request["CiphertextBlob"] == WRAPPED => {
            Json(json!({ "KeyId": "key", "Plaintext": plain })).into_response()
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "__type": "KMSInternalException" }))).into_response(),
    }
}

async fn start(plain: Option<String>) -> (String, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let kms = Kms { plain: Arc::new(Mutex::new(plain)), calls: Arc::clone(&calls) };
    let router = Router::new().fallback(answer).with_state(kms);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, calls)
}

#[tokio::test]
async fn one_call_opens_the_key_of_everybody_and_a_kms_that_fails_erases_nobody() {
    let world = TestWorld::start().await;
    let mut people = Vec::new();
    for number in 0..20 {
        let created = world.api.post("/v1/users", &new_user(number)).await.expect(201);
        people.push(UserId(created.text("id").parse().unwrap()));
    }
    // The same installation, its wrapping key in the hands of KMS.
    let settings = world.settings();
    let text = std::fs::read_to_string(settings.data_dir.join(Secrets::FILE)).unwrap();
    let mut secrets: Value = serde_json::from_str(&text).unwrap();
    let plain = secrets["wrapping"].as_str().unwrap().to_owned();
    secrets["wrapping"] = json!(format!("kms:{WRAPPED}"));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(Secrets::FILE), secrets.to_string()).unwrap();
    let secrets = Secrets::load(directory.path()).unwrap();
    let open = |principal: Principal, url: &str| {
        let settings = Settings { kms_url: Some(url.to_owned()), ..settings.clone() };
        let secrets = &secrets;
        async move { Context::open(&settings, principal, secrets, Clock::system()).await }
    };

    let (url, calls) = start(Some(plain)).await;
    let context = open(Principal::Projector, &url).await.unwrap();
    for user in people {
        let user = context.store().load::<User>(user.into(), None).await.unwrap().state.unwrap();
        assert!(user.email.known().is_some());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    for principal in Principal::ALL {
        open(principal, &url).await.unwrap();
    }

    let (broken, _) = start(None).await;
    for url in [broken.as_str(), "http://127.0.0.1:1"] {
        assert!(matches!(open(Principal::CommandApi, url).await, Err(SecretsError::Kms(_))), "{url}");
    }
    world.world.stop().await;
}

#[tokio::test]
async fn the_first_keys_are_drawn_into_secrets_manager_once_and_wrapped() {
    let world = TestWorld::start().await;
    let (kms, _) = start(None).await;
    let manager = SecretsManager::start("what somebody else has made up").await;
    let create = || async {
        let mut command = operator::command(&world, &["keys", "create", "--kms-key", "alias/wrapping"]);
        command.env("FIELDFUZE_SECRETS_ID", ID).env("AWS_ENDPOINT_URL_KMS", &kms);
        command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &manager.url);
        operator::finished(command.output().await.unwrap())
    };
    operator::expect(&create().await, 0, "the keys are drawn");
    let text = manager.text();
    let secrets: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(secrets["wrapping"], format!("kms:{WRAPPED}"));

    operator::expect(&create().await, 2, "holds keys already");
    assert_eq!(manager.text(), text);

    let settings = Settings {
        secrets_id: Some(ID.to_owned()),
        secrets_manager_url: Some(manager.url.clone()),
        kms_url: Some(kms),
        ..world.settings()
    };
    Context::connect(&settings, Principal::CommandApi, Clock::system()).await.unwrap();
    world.world.stop().await;
}
