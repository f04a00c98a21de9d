use std::collections::BTreeSet;

use super::*;

/// Asks for a list, with a query of names and values.
async fn list(standin: &Standin, path: &str, query: &[(&str, &str)]) -> (u16, Value) {
    let mut url = reqwest::Url::parse(&format!("{}{path}", standin.url())).unwrap();
    url.query_pairs_mut().extend_pairs(query);
    call(standin, Method::GET, &format!("{}?{}", url.path(), url.query().unwrap_or_default()), Value::Null).await
}

async fn records(standin: &Standin, query: &[(&str, &str)]) -> Value {
    let query: Vec<_> = [("filter[record_type]", "messaging")].iter().chain(query).copied().collect();
    let (status, body) = list(standin, "/v2/detail_records", &query).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// Asks until there are so many records.
async fn records_until(standin: &Standin, query: &[(&str, &str)], count: u64) -> Value {
    let asking = async {
        loop {
            let body = records(standin, query).await;
            if body["meta"]["total_results"] == count {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("the records become as many")
}

fn ids(body: &Value) -> BTreeSet<String> {
    let items = body["data"].as_array().unwrap();
    items.iter().map(|item| item["uuid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn records_tell_how_messages_ended_and_where_their_webhooks_go() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    set_faults(&standin, json!({"webhooks": {"drop": true}})).await;
    let hook = "http://127.0.0.1:9/hook/notification";
    let (_, sent) = send(&standin, sms(Some(hook))).await;
    let of_it = [("filter[cld]", "+13125550101"), ("filter[cli]", "+13125550100"), ("filter[status]", "delivered")];
    let found = records_until(&standin, &of_it, 1).await;
    let record = &found["data"][0];
    assert_eq!(record["uuid"], sent["data"]["id"]);
    assert_eq!(record["delivery_status_webhook_url"], hook);
    assert_eq!((&record["errors"], &record["parts"]), (&json!([]), &json!(1)));
    for other in
        [("filter[cld]", "+13125550102"), ("filter[cld][starts_with]", "3125"), ("filter[cli][ends_with]", "01")]
    {
        assert_eq!(records(&standin, &[other]).await["meta"]["total_results"], 0, "{other:?}");
    }
    assert_eq!(ids(&records(&standin, &[("filter[cld][contains]", "5550101")]).await).len(), 1);
    standin.stop().await;
}

#[tokio::test]
async fn a_message_that_waits_in_the_queue_has_no_record() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    set_account(&standin, json!({"queue": {"messages_per_second": 0.01, "capacity": 10}})).await;
    let (_, first) = send(&standin, sms(None)).await;
    let (_, waiting) = send(&standin, sms(None)).await;
    let found = records_until(&standin, &[], 1).await;
    assert_eq!(found["data"][0]["uuid"], first["data"]["id"]);
    let path = format!("/v2/messages/{}", waiting["data"]["id"].as_str().unwrap());
    let (_, waiting) = call(&standin, Method::GET, &path, Value::Null).await;
    assert_eq!(waiting["data"]["to"][0]["status"], "queued");
    standin.stop().await;
}

#[tokio::test]
async fn pages_hold_each_record_once_within_the_times_that_are_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let mut sent = BTreeSet::new();
    for _ in 0..5 {
        let (_, accepted) = send(&standin, sms(None)).await;
        sent.insert(accepted["data"]["id"].as_str().unwrap().to_owned());
    }
    let all = records_until(&standin, &[], 5).await;
    assert_eq!(ids(&all), sent);
    let third = all["data"][2]["created_at"].as_str().unwrap();
    for (name, expected) in [("gte", 3), ("gt", 2), ("lt", 2), ("lte", 3)] {
        let name = format!("filter[created_at][{name}]");
        assert_eq!(ids(&records(&standin, &[(&name, third)]).await).len(), expected, "{name}");
    }

    let mut seen = Vec::new();
    for number in ["1", "2", "3"] {
        let page = records(&standin, &[("page[number]", number), ("page[size]", "2"), ("sort", "-created_at")]).await;
        assert_eq!(page["meta"]["total_pages"], 3);
        seen.extend(
            page["data"].as_array().unwrap().iter().map(|item| item["created_at"].as_str().unwrap().to_owned()),
        );
    }
    assert!(seen.is_sorted_by(|a, b| a > b) && seen.len() == 5, "{seen:?}");
    let (status, refused) = list(&standin, "/v2/detail_records", &[("filter[record_type]", "fax")]).await;
    assert_eq!((status, &refused["errors"][0]["source"]["parameter"]), (400, &json!("filter[record_type]")));
    standin.stop().await;
}

#[tokio::test]
async fn who_opted_out_is_listed_with_the_word_and_the_number_it_was_written_to() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let mut receiver = Receiver::start(0);
    for (from, to, text) in [
        ("+13125550101", "+13125550100", "Stop all"),
        ("+13125550102", "+13125550199", "quit"),
        ("+13125550103", "+13125550100", "STOP"),
        ("+13125550103", "+13125550100", "start"),
    ] {
        let body = json!({"from": from, "to": to, "text": text, "webhook_url": receiver.url()});
        call(&standin, Method::POST, "/_standin/inbound", body).await;
        receiver.next().await;
    }
    let path = "/v2/messaging_optouts";
    let (_, all) = list(&standin, path, &[]).await;
    assert_eq!(all["meta"], json!({"total_pages": 1, "total_results": 2, "page_number": 1, "page_size": 20}));
    let (_, ours) = list(&standin, path, &[("filter[from]", "+13125550100")]).await;
    assert_eq!(ours["data"].as_array().unwrap().len(), 1);
    let one = &ours["data"][0];
    assert_eq!((&one["to"], &one["keyword"]), (&json!("+13125550101"), &json!("STOP ALL")));
    let (_, hidden) = list(&standin, path, &[("redaction_enabled", "true"), ("page[size]", "1")]).await;
    assert_eq!((&hidden["data"][0]["to"], &hidden["meta"]["total_pages"]), (&json!("+1312555****"), &json!(2)));
    for nobody in [("filter[messaging_profile_id]", "p"), ("created_at[lte]", "2020-01-02T00:00:00Z")] {
        assert_eq!(list(&standin, path, &[nobody]).await.1["data"], json!([]), "{nobody:?}");
    }
    standin.stop().await;
}

#[tokio::test]
async fn opt_outs_of_older_files_are_kept() {
    let data = tempfile::tempdir().unwrap();
    let older = rusqlite::Connection::open(data.path().join(FILE)).unwrap();
    older
        .execute_batch(
            "CREATE TABLE opt_outs (phone TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
             INSERT INTO opt_outs VALUES ('+13125550101')",
        )
        .unwrap();
    let standin = start(data.path()).await;
    assert_eq!(send(&standin, sms(None)).await.1["errors"][0]["code"], "40300");
    let (_, all) = list(&standin, "/v2/messaging_optouts", &[]).await;
    assert_eq!((&all["data"][0]["to"], &all["data"][0]["keyword"]), (&json!("+13125550101"), &Value::Null));
    standin.stop().await;
}
