//! Many users at once: each line for itself, sent again without harm, and all of them out again.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestWorld, new_user};

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
        crate::support::send(request.body(body))
    };
    let lines = new_user(1).to_string();
    let refused = send(None, "application/x-ndjson", lines.clone()).await.expect(400);
    assert_eq!(refused.body["code"], "idempotency-key-required");
    send(Some("one"), "application/json", lines).await.expect(415);
    let large = " ".repeat(17 * 1024 * 1024);
    assert_eq!(send(Some("one"), "application/x-ndjson", large).await.expect(413).body["code"], "body-too-large");
    world.world.stop().await;
}
