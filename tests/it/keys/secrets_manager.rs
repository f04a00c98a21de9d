//! A stand-in for AWS Secrets Manager that keeps one secret.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// The secret's name.
pub const ID: &str = "fieldfuze/secrets";

/// What it keeps, and what is wrong with it.
#[derive(Default)]
pub struct Inner {
    /// Names and texts of all versions; the last one is the current one.
    pub versions: Vec<(String, String)>,
    /// How often it was asked.
    pub calls: usize,
    /// Whether it refuses everything.
    pub broken: bool,
    /// How many writes it still keeps without saying so.
    pub mute: usize,
}

/// The running stand-in.
#[derive(Clone)]
pub struct SecretsManager {
    pub url: String,
    inner: Arc<Mutex<Inner>>,
}

impl SecretsManager {
    pub async fn start(text: &str) -> Self {
        let versions = vec![("first".to_owned(), text.to_owned())];
        let inner = Arc::new(Mutex::new(Inner { versions, ..Inner::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// The current text.
    pub fn text(&self) -> String {
        self.inner().versions.last().unwrap().1.clone()
    }

    /// Puts another text there, as somebody would in AWS's console.
    pub fn set(&self, text: &str) {
        let mut inner = self.inner();
        let name = format!("by hand {}", inner.versions.len());
        inner.versions.push((name, text.to_owned()));
    }
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "__type": code }))).into_response()
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, request: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&request).unwrap();
    let mut inner = inner.lock().unwrap();
    inner.calls += 1;
    if inner.broken {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError");
    }
    if request["SecretId"] != ID {
        return refuse(StatusCode::BAD_REQUEST, "ResourceNotFoundException");
    }
    let stages = ["AWSCURRENT"];
    match headers["x-amz-target"].to_str().unwrap() {
        "secretsmanager.GetSecretValue" => {
            let (name, text) = inner.versions.last().unwrap();
            Json(json!({ "Name": ID, "VersionId": name, "SecretString": text, "VersionStages": stages }))
                .into_response()
        }
        "secretsmanager.PutSecretValue" => {
            let part = |name: &str| request[name].as_str().unwrap().to_owned();
            let (name, text) = (part("ClientRequestToken"), part("SecretString"));
            assert!((32..=64).contains(&name.len()), "{name}");
            match inner.versions.iter().find(|version| version.0 == name) {
                Some(version) if version.1 != text => {
                    return refuse(StatusCode::BAD_REQUEST, "ResourceExistsException");
                }
                Some(_) => (),
                None => inner.versions.push((name.clone(), text)),
            }
            if inner.mute > 0 {
                inner.mute -= 1;
                return refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError");
            }
            Json(json!({ "Name": ID, "VersionId": name, "VersionStages": stages })).into_response()
        }
        other => panic!("{other}"),
    }
}
