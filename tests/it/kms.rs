//! The wrapping key from KMS: asked for once, and never guessed when it does not answer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use events::{ids::UserId, user::User};
use platform::{
    clock::Clock,
    context::Context,
    crypto::{Secrets, SecretsError},
    settings::Settings,
};
use serde_json::{Value, json};

use crate::support::{TestWorld, new_user};

/// What KMS is given to open.
const WRAPPED: &str = "d3JhcHBlZA==";

/// A KMS that knows one key, or that has lost its mind.
#[derive(Clone)]
struct Kms {
    plain: Option<String>,
    calls: Arc<AtomicUsize>,
}

async fn decrypt(State(kms): State<Kms>, request: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&request).unwrap_or_default();
    kms.calls.fetch_add(1, Ordering::SeqCst);
    match &kms.plain {
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
    let router = Router::new().fallback(decrypt).with_state(Kms { plain, calls: Arc::clone(&calls) });
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
    let open = |url: &str| {
        let settings = Settings { kms_url: Some(url.to_owned()), ..settings.clone() };
        let secrets = &secrets;
        async move { Context::open(&settings, secrets, Clock::system()).await }
    };

    let (url, calls) = start(Some(plain)).await;
    let context = open(&url).await.unwrap();
    for user in people {
        let user = context.store().load::<User>(user.into(), None).await.unwrap().state.unwrap();
        assert!(user.email.known().is_some());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    let (broken, _) = start(None).await;
    for url in [broken.as_str(), "http://127.0.0.1:1"] {
        assert!(matches!(open(url).await, Err(SecretsError::Kms(_))), "{url}");
    }
    world.world.stop().await;
}
