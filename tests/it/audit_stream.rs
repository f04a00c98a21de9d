//! The audit feed as a stream: what happens is told, a broken connection loses nothing, and who may not listen is cut off.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Client, PASSWORD, SOON, TestWorld, new_user, send};

/// As `SOON`, for a stop: what is not ended by itself is cut off after 2 s by the load balancer and 25 s by a service.
const STOPS_WITHIN: Duration = Duration::from_secs(15);

/// One event of a stream.
#[derive(Debug, Clone)]
struct Told {
    id: String,
    name: String,
    data: Value,
}

/// An open stream.
struct Listener {
    answer: Response,
    text: String,
}

impl Listener {
    async fn open(api: &Client, query: &str, last_event_id: Option<&str>) -> Self {
        // A client of its own: the others give up after half a minute.
        let url = format!("{}/v1/audit/stream{query}", api.base());
        let request = reqwest::Client::builder().read_timeout(SOON).build().unwrap().get(url).bearer_auth(api.token());
        let request = match last_event_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Self { answer, text: String::new() }
    }

    /// The next event; none when the stream has ended.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (told, rest) = (parse(block), rest.to_owned());
                self.text = rest;
                if told.is_some() {
                    return told;
                }
                continue;
            }
            let chunk = timeout(SOON, self.answer.chunk()).await.expect("the stream goes on or ends");
            self.text.push_str(std::str::from_utf8(&chunk.ok().flatten()?).unwrap());
        }
    }

    /// The next event whose `field` is `value`.
    async fn until(&mut self, field: &str, value: &str) -> Told {
        loop {
            let told = self.next().await.expect("the stream goes on");
            if told.data["data"][field] == value {
                return told;
            }
        }
    }

    async fn ends(&mut self) {
        while self.next().await.is_some() {}
    }
}

fn parse(block: &str) -> Option<Told> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let data = serde_json::from_str(field("data: ")?).unwrap();
    Some(Told {
        id: field("id: ").unwrap_or_default().to_owned(),
        name: field("event: ").unwrap_or_default().to_owned(),
        data,
    })
}

#[tokio::test]
async fn whoever_goes_on_where_the_stream_broke_off_misses_nothing() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let role = |number: u32| json!({ "name": format!("Role {number}"), "level": 1, "permissions": ["users:read"] });

    let mut listener = Listener::open(api, "", None).await;
    api.post("/v1/roles", &role(1)).await.expect(201);
    let first = listener.until("name", "Role 1").await;
    assert_eq!((first.name.as_str(), &first.data["type"]), ("", &json!("RoleCreated")));
    assert!(first.data.get("complete_until").is_some() && !first.id.is_empty());
    drop(listener);

    let second = api.post("/v1/roles", &role(2)).await.expect(201);
    api.get_since("/v1/audit", second.header("consistency-token")).await.expect(200);
    let mut listener = Listener::open(api, "", Some(&first.id)).await;
    listener.until("name", "Role 2").await;
    // It goes on live, and `from` has no say any more.
    api.post("/v1/roles", &role(3)).await.expect(201);
    listener.until("name", "Role 3").await;

    // In quiet times a client is told where it stands, and nothing again that it was told in this stream.
    let told = listener.next().await.unwrap();
    assert_eq!((told.name.as_str(), told.data.as_object().unwrap().len()), ("progress", 1), "{told:?}");
    drop(listener);

    let mut narrowed = Listener::open(api, "?type=RoleRetired&from=2000-01-01T00:00:00Z", None).await;
    let id = second.text("id");
    api.delete(&format!("/v1/roles/{id}"), "*").await.expect(204);
    let told = narrowed.next().await.unwrap();
    if told.name.is_empty() {
        assert_eq!((&told.data["type"], &told.data["stream"]), (&json!("RoleRetired"), &json!(format!("role#{id}"))));
    }

    for id in ["x", first.id.to_uppercase().as_str(), told.id.as_str()] {
        let refused = send(api.request(Method::GET, "/v1/audit/stream").header("last-event-id", id)).await.expect(400);
        assert_eq!(refused.body["code"], "invalid-last-event-id");
    }
    api.get("/v1/audit/stream?since=1").await.expect(400);
    world.world.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_it_and_with_the_service() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let role = json!({ "name": "Auditor", "level": 2, "permissions": ["audit:read"] });
    let role = api.post("/v1/roles", &role).await.expect(201).text("id");
    let mut auditor = new_user(1);
    auditor["password"] = PASSWORD.into();
    let auditor = api.post("/v1/users", &auditor).await.expect(201).text("id");
    let held = format!("/v1/users/{auditor}/roles/{role}");
    api.put(&held).await.expect(200);

    let as_auditor = api.sign_in("person1", PASSWORD).await;
    let mut listener = Listener::open(&as_auditor, "", None).await;
    api.delete(&held, "*").await.expect(200);
    listener.ends().await;

    let mut listener = Listener::open(api, "", None).await;
    let began = Instant::now();
    let (stopped, ()) = tokio::join!(timeout(STOPS_WITHIN, world.world.stop()), listener.ends());
    assert!(stopped.is_ok(), "the stop took {:?}", began.elapsed());
}
