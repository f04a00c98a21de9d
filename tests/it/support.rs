//! A world of one's own, and a client that speaks to it.

pub mod behind;
pub mod collector;
pub mod engine;
pub mod faults;
pub mod feed;
pub mod feed_watch;
pub mod gate;
pub mod guarded;
pub mod keys;
pub mod messages;
pub mod operator;
pub mod parts;
pub mod process;
pub mod projector;
pub mod rows;
pub mod stale_index;
pub mod store;
pub mod totp;

use std::time::Duration;

use dev::{
    ports::Ports,
    world::{World, WorldConfig},
};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

/// The administrator's password in tests.
pub const PASSWORD: &str = "a password of the tests";

/// How long something that must happen may take.
pub const SOON: Duration = Duration::from_mins(1);

/// Held by a test that measures a time, and by one that keeps the machine busier than the others: neither knows of the other,
/// and side by side the one would fail for the other's sake.
pub static MEASURING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// How often it is asked for.
pub const ASK_EVERY: Duration = Duration::from_millis(25);

/// A world in a directory that goes away with it.
pub struct TestWorld {
    pub world: World,
    pub api: Client,
    /// Where its state lies.
    pub directory: tempfile::TempDir,
}

impl TestWorld {
    /// Starts a world and signs the administrator in.
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    /// As [`TestWorld::start`], in a directory in which something may lie already.
    pub async fn start_in(directory: tempfile::TempDir) -> Self {
        let world = Box::pin(World::start(&config(directory.path()))).await.unwrap();
        let api = Client::new(&world.addresses.public).sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;
        Self { world, api, directory }
    }

    /// What the stand-in accepted for a number.
    pub async fn messages_to(&self, phone: &str) -> Vec<Value> {
        messages_to(&self.world.addresses.telnyx, phone).await
    }
}

/// What a stand-in accepted for a number.
pub async fn messages_to(telnyx: &str, phone: &str) -> Vec<Value> {
    let answer: Value = reqwest::get(format!("{telnyx}/_standin/messages")).await.unwrap().json().await.unwrap();
    let items = answer["items"].as_array().unwrap();
    items.iter().filter(|item| item["to"] == phone).cloned().collect()
}

/// How the tests start a world.
pub fn config(directory: &std::path::Path) -> WorldConfig {
    WorldConfig {
        data_dir: directory.to_owned(),
        ports: Ports::ANY,
        admin_password: Some(SecretString::from(PASSWORD)),
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// The text of a field.
    #[track_caller]
    pub fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no text {field} in {}", self.body)).to_owned()
    }
}

/// A client of the API, signed in or not.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// A client that is not signed in.
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { http, base: base.to_owned(), token: None }
    }

    /// The client with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Signs in.
    pub async fn sign_in(&self, identifier: &str, password: &str) -> Self {
        let request = json!({ "identifier": identifier, "password": password });
        let answer = self.post("/v1/auth/login", &request).await.expect(200);
        self.with_token(&answer.text("access_token"))
    }

    /// The address that it speaks to.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The client's token.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// A request to be completed by hand.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn get_since(&self, path: &str, tokens: &str) -> Answer {
        send(self.request(Method::GET, path).header("consistency-token", tokens)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: &str) -> Answer {
        send(self.request(Method::PUT, path)).await
    }

    pub async fn delete(&self, path: &str, if_match: &str) -> Answer {
        send(self.request(Method::DELETE, path).header("if-match", if_match)).await
    }

    pub async fn patch(&self, path: &str, if_match: &str, body: &Value) -> Answer {
        send(self.request(Method::PATCH, path).header("if-match", if_match).json(body)).await
    }

    /// Asks until the answer is what it must become.
    #[track_caller]
    pub fn get_until<'a>(
        &'a self,
        path: &'a str,
        wanted: impl Fn(&Answer) -> bool + 'a,
    ) -> impl Future<Output = Answer> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let mut last = None;
            let asking = async {
                loop {
                    let answer = self.get(path).await;
                    if wanted(&answer) {
                        return answer;
                    }
                    last = Some(answer);
                    tokio::time::sleep(ASK_EVERY).await;
                }
            };
            let asked = tokio::time::timeout(SOON, asking).await;
            asked.unwrap_or_else(|_| panic!("{place}: {path} never became what it must; last {last:?}"))
        }
    }
}

/// Sends a request and reads the answer.
pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or(Value::Null) };
    Answer { status, headers, body }
}

/// A user to be created, told apart by a number.
pub fn new_user(number: u32) -> Value {
    json!({
        "email": format!("person{number}@example.com"),
        "username": format!("person{number}"),
        "first_name": "Ada",
        "last_name": "Lovelace",
        "phone": phone(number),
    })
}

/// A telephone number of its own for each number below ten million.
pub fn phone(number: u32) -> String {
    format!("+1512{:07}", 2_000_000 + number)
}
