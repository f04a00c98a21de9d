use super::*;

async fn start() -> (Queues, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let queues = Box::pin(Queues::start(listener, &Names::new("test-"))).await.unwrap();
    let client = client(&queues.url());
    (queues, client)
}

async fn url(client: &Client, name: &str) -> String {
    let found = client.get_queue_url().queue_name(Names::new("test-").queue(name)).send();
    found.await.unwrap().queue_url.unwrap()
}

async fn receive(client: &Client, url: &str, wait_seconds: i32) -> Option<String> {
    let received = client.receive_message().queue_url(url).wait_time_seconds(wait_seconds).send().await.unwrap();
    let message = received.messages.unwrap_or_default().pop()?;
    // Given back at once: the test does not wait for the time-out.
    client
        .change_message_visibility()
        .queue_url(url)
        .receipt_handle(message.receipt_handle.unwrap())
        .visibility_timeout(0)
        .send()
        .await
        .unwrap();
    message.body
}

#[tokio::test]
async fn a_message_received_too_often_ends_among_the_dead_letters() {
    let (queues, client) = start().await;
    let (main, dead) = (url(&client, QUEUES[0].name).await, url(&client, QUEUES[0].dead_letters).await);
    client.send_message().queue_url(&main).message_body("poison").send().await.unwrap();
    for _ in 0..MAX_RECEIVES {
        assert_eq!(receive(&client, &main, 5).await.as_deref(), Some("poison"));
    }
    assert_eq!(receive(&client, &main, 0).await, None);
    assert_eq!(receive(&client, &dead, 5).await.as_deref(), Some("poison"));
    queues.stop().await;
}

#[tokio::test]
async fn the_queues_have_the_attributes_that_the_services_rely_on() {
    let (queues, client) = start().await;
    let main = url(&client, QUEUES[0].name).await;
    let found =
        client.get_queue_attributes().queue_url(&main).attribute_names(QueueAttributeName::All).send().await.unwrap();
    let found = found.attributes.unwrap();
    let visibility = &found[&QueueAttributeName::VisibilityTimeout];
    assert_eq!(*visibility, VISIBILITY_SECONDS.to_string());
    assert!(found[&QueueAttributeName::RedrivePolicy].contains(QUEUES[0].dead_letters));
    queues.stop().await;
}

#[tokio::test]
async fn a_long_poll_does_not_hold_up_the_stop() {
    let (queues, client) = start().await;
    let main = url(&client, QUEUES[0].name).await;
    let poll = tokio::spawn(client.receive_message().queue_url(main).wait_time_seconds(20).send());
    tokio::time::timeout(Duration::from_secs(10), queues.stop()).await.expect("stopped");
    poll.abort();
}
