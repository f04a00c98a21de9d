use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use events::notification::Outcome;
use uuid::Uuid;

/// Answers one request with a delivered message whose text has `length` bytes, in chunks that state no length in all.
async fn answering(length: usize) -> Telnyx {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let body = serde_json::json!({ "data": {
        "id": "id", "record_type": "message", "direction": "outbound", "type": "SMS", "text": "a".repeat(length),
        "to": [{ "phone_number": "+15125550100", "status": "delivered" }],
        "errors": [],
    }});
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = client.read(&mut request).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        for part in body.to_string().as_bytes().chunks(1000) {
            let chunk = [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
            if client.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _ = client.write_all(b"0\r\n\r\n").await;
    });
    Telnyx::new(&base, SecretString::from("key"), "+15125550199".to_owned()).unwrap()
}

#[tokio::test]
async fn an_answer_without_a_stated_length_is_bounded_as_well() {
    let found = answering(1000).await.look_up("id").await.unwrap().unwrap();
    assert_eq!(found, Found { provider_id: "id".to_owned(), receipt: Some(Receipt::Delivered) });
    assert!(matches!(answering(MAX_ANSWER_BYTES).await.look_up("id").await, Err(NotAsked::Garbled)));

    let send = async |telnyx: Telnyx| {
        let message = Outgoing {
            id: NotificationId(Uuid::nil()),
            attempt: 1,
            to: serde_json::from_value("+15125550100".into()).unwrap(),
            text: "Hello".to_owned(),
            webhook_url: "http://127.0.0.1:1".to_owned(),
        };
        telnyx.send(message, || DateTime::UNIX_EPOCH).await.outcome
    };
    assert!(matches!(send(answering(1000).await).await, Outcome::Accepted(_)));
    // It may have been taken, and is never sent again by guess.
    assert_eq!(send(answering(MAX_ANSWER_BYTES).await).await, Outcome::Unknown);
}
