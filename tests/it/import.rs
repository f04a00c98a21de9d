//! Many users at once: each line for itself, sent again without harm, and all of them out again.

use std::{net::SocketAddr, time::Duration};

use command_api::users::import::IMPORTS_AT_ONCE;
use platform::http::layers::REQUEST_DEADLINE;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::support::{Answer, Client, PASSWORD, SOON, TestWorld, behind::Behind, new_user, send};

async fn import(api: &Client, query: &str, key: &str, lines: &[String]) -> Vec<Value> {
    let request = api.request(Method::POST, &format!("/v1/users:import{query}")).header("idempotency-key", key);
    let answer = request.header("content-type", "application/x-ndjson").body(lines.join("\n")).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status.as_u16(), 200, "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn statuses(results: &[Value]) -> Vec<u64> {
    results.iter().filter_map(|result| result["status"].as_u64()).collect()
}

#[tokio::test]
async fn an_import_tells_of_each_line_and_goes_on_where_it_was() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let mut lines: Vec<String> = (0..40).map(|number| new_user(number).to_string()).collect();
    lines[7] = "not JSON".to_owned();
    lines[8] = json!({ "email": "person8@example.com" }).to_string();
    let mut taken = new_user(9);
    taken["email"] = json!("PERSON3@example.com");
    lines[9] = taken.to_string();

    // Blank lines count as lines, and are none to be told of.
    let blank =
        import(api, "?validate_only=true", "one", &["", &lines[0], " \r", &lines[1], ""].map(str::to_owned)).await;
    assert_eq!((&blank[0]["line"], &blank[1]["line"], &blank[2]), (&json!(2), &json!(4), &json!({ "lines": 2 })));
    let tried = import(api, "?validate_only=true", "one", &lines[..7]).await;
    assert_eq!(statuses(&tried), [200; 7]);
    // Half of it, as if the connection had broken then.
    assert_eq!(statuses(&import(api, "", "one", &lines[..5]).await), [201; 5]);
    let results = import(api, "", "one", &lines).await;
    let mut expected = vec![201_u64; 40];
    (expected[7], expected[8], expected[9]) = (400, 422, 409);
    assert_eq!(statuses(&results), expected);
    assert_eq!(results.iter().map(|result| result["line"].as_u64()).collect::<Vec<_>>()[..2], [Some(1), Some(2)]);
    assert!(results[..5].iter().all(|result| result["replayed"] == true));
    assert!(results[5..7].iter().all(|result| result["replayed"] == false));
    assert_eq!(results[7]["problem"]["code"], "malformed-json");
    assert_eq!(results[9]["problem"]["code"], "email-taken");
    assert_eq!(results.last().unwrap(), &json!({ "lines": 40 }));

    // Mended, and one of them moved: only the mended lines are new.
    (7..10).for_each(|number| lines[number] = new_user(u32::try_from(number).unwrap()).to_string());
    lines.swap(0, 39);
    let mended = import(api, "", "one", &lines).await;
    assert_eq!(statuses(&mended), [201; 40]);
    let new: Vec<u64> = mended
        .iter()
        .filter(|result| result["replayed"] == false)
        .map(|result| result["line"].as_u64().unwrap())
        .collect();
    assert_eq!(new, [8, 9, 10]);
    assert_eq!((&mended[0]["id"], &mended[39]["id"]), (&results[39]["id"], &results[0]["id"]));

    // All of them come out again, each once.
    let exported = |answer: &Answer| answer.body["items"].as_array().is_some_and(|items| items.len() == 41);
    api.get_until("/v1/users?page_size=200", exported).await;
    let text = api.request(Method::GET, "/v1/users:export").send().await.unwrap().text().await.unwrap();
    let mut emails: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["email"].as_str().unwrap().to_owned())
        .collect();
    emails.sort();
    emails.dedup();
    assert_eq!(emails.len(), 41);
    world.world.stop().await;
}

#[tokio::test]
async fn what_is_no_import_is_refused() {
    let world = TestWorld::start().await;
    let api = &world.api;
    let send = |key: Option<&str>, content_type: &str, body: String| {
        let request = api.request(Method::POST, "/v1/users:import").header("content-type", content_type.to_owned());
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        send(request.body(body))
    };
    let lines = new_user(1).to_string();
    let refused = send(None, "application/x-ndjson", lines.clone()).await.expect(400);
    assert_eq!(refused.body["code"], "idempotency-key-required");
    send(Some("one"), "application/json", lines).await.expect(415);
    let large = " ".repeat(17 * 1024 * 1024);
    assert_eq!(send(Some("one"), "application/x-ndjson", large).await.expect(413).body["code"], "body-too-large");
    world.world.stop().await;
}

/// Announces an import of 16 MB and sends none of it: gives the connection, and the head of what is answered.
async fn announce(address: SocketAddr, token: &str) -> (TcpStream, String) {
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/users:import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nidempotency-key: one\r\n\
         content-type: application/x-ndjson\r\ncontent-length: 16777216\r\nexpect: 100-continue\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut told = Vec::new();
    let reading = async {
        while !told.ends_with(b"\r\n\r\n") {
            told.push(client.read_u8().await.unwrap());
        }
    };
    timeout(SOON, reading).await.expect("an answer without a body");
    (client, String::from_utf8(told).unwrap())
}

/// Sends a little of a body now and then, and gives what is answered at last.
async fn trickle(client: TcpStream) -> String {
    let (mut read, mut write) = client.into_split();
    let trickling = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = Vec::new();
    let _ = timeout(REQUEST_DEADLINE * 2, read.read_to_end(&mut answer)).await.expect("it is not read for ever");
    trickling.abort();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_right_and_the_place_come_before_the_body_and_a_slow_body_gives_the_place_up() {
    let behind = Behind::start().await;
    let api = &behind.command_api;
    let mut user = new_user(1);
    user["password"] = PASSWORD.into();
    api.post("/v1/users", &user).await.expect(201);
    let nobody = api.sign_in("person1", PASSWORD).await;
    let address = behind.listener.local_addr().unwrap();

    let (_, told) = announce(address, nobody.token()).await;
    assert!(told.starts_with("HTTP/1.1 403"), "{told}");
    let mut slow = Vec::new();
    for _ in 0..IMPORTS_AT_ONCE {
        let (client, told) = announce(address, api.token()).await;
        assert_eq!(told, "HTTP/1.1 100 Continue\r\n\r\n");
        slow.push(trickle(client));
    }
    // There is no place for another one, whose body nobody wants to see; who may not is told that first.
    let (_, told) = announce(address, api.token()).await;
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("retry-after"), "{told}");
    let refused = api.request(Method::POST, "/v1/users:import").header("idempotency-key", "two");
    let refused = send(refused.header("content-type", "application/x-ndjson").body(new_user(2).to_string())).await;
    assert_eq!(refused.expect(503).body["code"], "overloaded");
    let (_, told) = announce(address, nobody.token()).await;
    assert!(told.starts_with("HTTP/1.1 403"), "{told}");

    for answer in futures::future::join_all(slow).await {
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    assert_eq!(statuses(&import(api, "", "two", &[new_user(2).to_string()]).await), [201]);
    behind.stop();
}
