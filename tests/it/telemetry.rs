//! What the running system tells of itself: one connected trip, metrics under the names that are listed, and its state.

use std::{collections::BTreeSet, time::Duration};

use opentelemetry_proto::tonic::trace::v1::Span;
use platform::telemetry::metrics::ALL;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use crate::support::{
    ASK_EVERY, Client, PASSWORD, SOON,
    collector::{Collector, has_failed, hex},
    operator::{command_at, finished},
    phone,
    process::{Process, world},
    send,
};

const TRIP: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A world of which every span goes to `collector`.
async fn told(data: &std::path::Path, collector: &str) -> (Process, Client) {
    let mut command = world(data);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector).env("OTEL_TRACES_SAMPLER_ARG", "1");
    let process = Process::start(command).await;
    let api = Client::new(&process.public).sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;
    (process, api)
}

fn canary() -> Value {
    json!({
        "email": "canary@example.com", "username": "canarybird", "first_name": "Canaria", "last_name": "Serinus",
        "phone": phone(77),
    })
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    found.map(|attribute| format!("{:?}", attribute.value)).unwrap_or_default()
}

#[tokio::test]
async fn one_write_is_one_connected_trip_from_the_request_to_the_receipt() {
    let (collector, directory) = (Collector::start().await, tempfile::tempdir().unwrap());
    let (process, api) = told(directory.path(), &collector.url).await;
    let request = api.request(Method::POST, "/v1/users").header("traceparent", format!("00-{TRIP}-{CALLER}-01"));
    let created = send(request.json(&canary())).await.expect(201);

    let steps = [
        "POST /v1/users",
        "DynamoDB.TransactWriteItems",
        "project user",
        "SQS.SendMessage",
        "dispatch transactional",
        "telnyx.send",
        "take a receipt",
        "project notification",
    ];
    let delivered = |spans: &[Span]| {
        let receipts = named(spans, "take a receipt").len();
        steps.iter().all(|step| !named(spans, step).is_empty()) && receipts >= 2
    };
    let spans = collector.trip(TRIP, delivered).await;

    // What a batch has not brought yet is on its way: the trip is looked at once nothing hangs loose.
    let connected = |spans: &[Span]| {
        let ids: BTreeSet<&[u8]> = spans.iter().map(|span| span.span_id.as_slice()).collect();
        let hangs = |span: &&Span| hex(&span.parent_span_id) != CALLER && !ids.contains(span.parent_span_id.as_slice());
        spans.iter().find(hangs).is_none()
    };
    collector.trip(TRIP, connected).await;
    let root: Vec<&Span> = spans.iter().filter(|span| hex(&span.parent_span_id) == CALLER).collect();
    assert_eq!(root.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["POST /v1/users"]);
    assert!(!spans.iter().any(has_failed), "{spans:#?}");

    let write = named(&spans, "DynamoDB.TransactWriteItems")[0];
    assert!(attribute(write, "aws.dynamodb.table_names").contains("events"), "{write:?}");
    assert!(attribute(write, "aws.dynamodb.consumed_capacity").contains("DoubleValue"), "{write:?}");
    // The webhook is a request of its own, and the two trips know of each other.
    let receipt = named(&spans, "take a receipt")[0];
    assert!(receipt.links.iter().any(|link| hex(&link.trace_id) != TRIP), "{receipt:?}");

    // The log says the same.
    let events = format!("/v1/users/{}/events", created.text("id"));
    let history = api.get_until(&events, |answer| answer.status.is_success()).await;
    assert!(history.body["items"][0]["traceparent"].as_str().unwrap().contains(TRIP), "{history:?}");

    let everything = collector.everything();
    for personal in ["canary", "Canaria", "Serinus", &phone(77), "Bearer", &phone(77)[2..]] {
        assert!(!everything.contains(personal), "{personal} is in a span");
    }
    process.kill().await;
}

#[tokio::test]
async fn the_load_balancers_name_of_a_request_is_that_of_its_trip() {
    let (collector, directory) = (Collector::start().await, tempfile::tempdir().unwrap());
    let (process, api) = told(directory.path(), &collector.url).await;
    let root = "67891233abcdef012345678912345678";
    let header = "Root=1-67891233-abcdef012345678912345678";
    let answer = send(api.request(Method::GET, "/v1/users/nobody").header("x-amzn-trace-id", header)).await;
    assert_eq!(answer.text("trace_id"), root);
    let spans = collector.trip(root, |spans| !spans.is_empty()).await;
    assert_eq!((spans[0].name.as_str(), spans[0].parent_span_id.len()), ("GET /v1/users/{id}", 0));
    process.kill().await;
}

#[tokio::test]
async fn a_collector_that_hangs_slows_nothing_and_the_end_is_not_waited_for() {
    let (listener, directory) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), tempfile::tempdir().unwrap());
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Takes connections and never answers.
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    let (process, api) = told(directory.path(), &url).await;
    // More spans than may wait.
    for _ in 0..10 {
        let asked = (0..50).map(|_| api.get("/v1/roles"));
        for answer in futures::future::join_all(asked).await {
            answer.expect(200);
        }
    }
    let told = Instant::now();
    assert!(process.terminate().await, "it ends well");
    assert!(told.elapsed() < Duration::from_secs(25), "{:?}", told.elapsed());
}

/// What a service counts, once it counts `name`, too.
async fn metrics_with(service: &str, name: &str) -> String {
    let (service, deadline) = (Client::new(service), Instant::now() + SOON);
    loop {
        let text = service.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        if text.contains(&format!("# TYPE {name} ")) {
            return text;
        }
        assert!(Instant::now() < deadline, "{name} is never counted:\n{text}");
        sleep(ASK_EVERY).await;
    }
}

#[tokio::test]
async fn metrics_have_the_names_that_are_listed_and_status_tells_how_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(world(directory.path())).await;
    let api = Client::new(&process.public).sign_in(dev::seed::ADMINISTRATOR, PASSWORD).await;
    let created = api.post("/v1/users", &canary()).await.expect(201);
    api.get_until(&format!("/v1/users/{}", created.text("id")), |answer| answer.status.is_success()).await;
    let delivered = |answer: &crate::support::Answer| answer.body["items"][0]["status"] == "delivered";
    api.get_until("/v1/notifications", delivered).await;

    let text = metrics_with(&process.projector, "queue_depth").await;
    let shown: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let listed: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    assert!(shown.is_subset(&listed), "not listed: {:?}", shown.difference(&listed));
    let usual = [
        "requests",
        "request_time",
        "appends",
        "capacity",
        "revocation_age",
        "sign_ins",
        "hash_queue",
        "hash_time",
        "stream_lag",
        "shards_without_owner",
        "shards_held",
        "records_applied",
        "projection_time",
        "parked_streams",
        "queue_depth",
        "queue_age",
        "sends",
        "receipts",
    ];
    for name in usual {
        assert!(shown.contains(name), "{name} is missing from\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(!line.contains("canary") && !line.contains(created.text("id").as_str()), "{line}");
    }
    assert!(Client::new(&process.public).get("/metrics").await.status.is_client_error(), "not from outside");
    assert!(Client::new(&process.public).get("/status").await.status.is_client_error(), "not from outside");

    let status = |arguments: &[&str]| {
        let arguments: Vec<&str> =
            ["status", "--projector", &process.projector].iter().chain(arguments).copied().collect();
        command_at(&process.dynamodb, &process.sqs, directory.path(), &arguments)
    };
    let (code, said) = finished(status(&["--json"]).output().await.unwrap());
    let report: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(code, 0, "{said}");
    assert_eq!(report["shards"].as_array().unwrap().len(), 1, "{said}");
    assert_eq!(report["shards"][0]["owner"], report["here"]["worker"], "{said}");
    assert_eq!(report["lanes"].as_array().unwrap().len(), 3, "{said}");
    assert!(
        report["here"]["records"].as_u64().unwrap() > 0 && report["here"]["records_per_second"].is_number(),
        "{said}"
    );
    let (_, text) = finished(status(&[]).output().await.unwrap());
    assert!(text.contains("SHARD") && text.contains("transactional") && text.contains("PARKED STREAMS  0"), "{text}");
    process.kill().await;
}
