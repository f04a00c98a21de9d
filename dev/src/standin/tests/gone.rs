use std::collections::{BTreeMap, BTreeSet};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::*;

/// Requests whose senders go away. They are written to disk together, so that many are under way when the senders go.
const GOING: u64 = 64;

/// Sends a message and goes away after a while, whatever was answered until then.
async fn send_and_go(standin: &Standin, hook: &str, after: Duration) {
    let address = standin.url();
    let address = address.strip_prefix("http://").unwrap();
    let body = sms(Some(hook)).to_string();
    let head = format!(
        "POST /v2/messages HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer KEY-test\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    tokio::time::sleep(after).await;
}

#[tokio::test]
async fn what_was_accepted_goes_its_way_though_its_sender_has_gone() {
    let data = tempfile::tempdir().unwrap();
    let standin = start(data.path()).await;
    let mut receiver = Receiver::start(0);
    let hook = receiver.url();
    let going = (0..GOING).map(|number| send_and_go(&standin, &hook, Duration::from_micros(200 * number)));
    futures::future::join_all(going).await;
    // Answered when those before it are kept, or as good as.
    send(&standin, sms(Some(&hook))).await;
    let kept: BTreeSet<String> =
        ledger(&standin).await.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();

    // By message, the events that were told: one that is told again keeps its id.
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while !kept.iter().all(|id| told.get(id).is_some_and(|events| events.len() == 2)) {
        let data = receiver.next_event().await.data;
        told.entry(data.payload["id"].as_str().unwrap().to_owned()).or_default().insert(data.id);
    }
    standin.stop().await;
}
