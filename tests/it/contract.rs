//! What we say to Telnyx and what its stand-in says to us is what Telnyx's own document allows.

use jsonschema::{Draft, Validator};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Client,
    gate::{Exchange, Gate},
    new_user,
    parts::Parts,
    phone,
};

const CONTRACT: &str = include_str!("../../contract/telnyx/telnyx-v2-messaging-subset.json");

/// The document as JSON Schema.
struct Contract(Value);

impl Contract {
    fn read() -> Self {
        let mut document: Value = serde_json::from_str(CONTRACT).unwrap();
        nullable(&mut document);
        // The kinds of records are told apart by a discriminator, which JSON Schema does not know; we ask for one kind only.
        document["components"]["schemas"]["DetailRecord"] =
            json!({ "$ref": "#/components/schemas/MessageDetailRecord" });
        Self(document)
    }

    /// What the schema at a pointer says against a value.
    fn against(&self, pointer: &str, value: &Value) -> Vec<String> {
        let mut schema = self.0.clone();
        schema["$ref"] = format!("#{}", pointer.replace('{', "%7B").replace('}', "%7D")).into();
        let options = jsonschema::options().with_draft(Draft::Draft4).should_validate_formats(true);
        let options = options.with_format("uuid", |text: &str| uuid::Uuid::parse_str(text).is_ok());
        let validator: Validator = options.build(&schema).unwrap();
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// What the document says against a request and its answer.
    fn against_exchange(&self, exchange: &Exchange) -> Vec<String> {
        let (path, _) = exchange.request.path.split_once('?').unwrap_or((&exchange.request.path, ""));
        let path = path.strip_prefix("/v2").unwrap();
        let template = if path.starts_with("/messages/") { "/messages/{id}" } else { path };
        let operation = exchange.request.method.as_str().to_lowercase();
        let at = format!("/paths/{}/{operation}", template.replace('/', "~1"));
        let found = self.0.pointer(&at).unwrap_or_else(|| panic!("the document has no {at}"));
        let mut against = Vec::new();
        // What was refused was wrong on purpose.
        if exchange.status.is_success() && found.get("requestBody").is_some() {
            let request = serde_json::from_slice(&exchange.request.body).unwrap();
            against.extend(self.against(&format!("{at}/requestBody/content/application~1json/schema"), &request));
        }
        let answers = &found["responses"];
        let by = if answers.get(exchange.status.as_str()).is_some() { exchange.status.as_str() } else { "default" };
        let answer = match &answers[by]["$ref"] {
            Value::String(to) => to.trim_start_matches('#').to_owned(),
            _ => format!("{at}/responses/{by}"),
        };
        let body = serde_json::from_slice(&exchange.answer).unwrap();
        // The document of detail records says nothing of refusals.
        let schema = if answers.get(by).is_some() {
            format!("{answer}/content/application~1json/schema")
        } else {
            "/components/responses/GenericErrorResponse/content/application~1json/schema".to_owned()
        };
        against.extend(self.against(&schema, &body));
        against
    }
}

/// OpenAPI 3.0 says `nullable` where JSON Schema has a type for it.
fn nullable(part: &mut Value) {
    match part {
        Value::Object(fields) => {
            if fields.remove("nullable") == Some(true.into()) {
                if let Some(kind) = fields.get_mut("type").filter(|kind| kind.is_string()) {
                    *kind = json!([kind, "null"]);
                }
                if let Some(Value::Array(values)) = fields.get_mut("enum") {
                    values.push(Value::Null);
                }
            }
            fields.values_mut().for_each(nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(nullable),
        _ => (),
    }
}

/// Asks the stand-in for something, through the gate.
async fn ask(client: &Client, method: Method, path: &str, body: &Value) -> u16 {
    let request = client.request(method, path);
    let request = if body.is_null() { request } else { request.json(body) };
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn requests_answers_and_webhooks_are_what_telnyx_documents() {
    let contract = Contract::read();
    let parts = Parts::start().await;
    let (telnyx, webhooks) = (Gate::before(parts.telnyx_url()), Gate::before(parts.commands.base().to_owned()));
    let around = [("FIELDFUZE_TELNYX_URL", &*telnyx.url()), ("FIELDFUZE_PUBLIC_URL", &*webhooks.url())];
    let _projector = parts.projector_around(&around).await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    for number in 1..=2 {
        parts.commands.post("/v1/users", &new_user(number)).await.expect(201);
    }
    let delivered = "/v1/notifications?status=delivered";
    queries.get_until(delivered, |answer| answer.body["items"].as_array().is_some_and(|all| all.len() == 2)).await;

    let sent = telnyx.exchanges().into_iter().find(|one| one.request.method == Method::POST).unwrap();
    assert!(contract.against_exchange(&sent).is_empty(), "what the dispatcher sends");
    let again: Value = serde_json::from_slice(&sent.request.body).unwrap();
    let id = serde_json::from_slice::<Value>(&sent.answer).unwrap()["data"]["id"].as_str().unwrap().to_owned();
    let (standin, provider) = (Client::new(&parts.telnyx_url()), Client::new(&telnyx.url()));
    let provider = provider.with_token(&parts.telnyx_api_key());
    let word = json!({ "from": phone(9), "to": "+15125559999", "text": "STOP",
        "webhook_url": format!("{}/v1/webhooks/telnyx", webhooks.url()) });
    standin.post("/_standin/inbound", &word).await.expect(202);

    let records = "/v2/detail_records?filter[record_type]=messaging";
    for (method, path, body, status) in [
        (Method::GET, &*format!("/v2/messages/{id}"), Value::Null, 200),
        (Method::GET, "/v2/messages/6f1d3c1e-8f0b-4c52-9a57-2b6f0e1d77a4", Value::Null, 404),
        (Method::GET, records, Value::Null, 200),
        (Method::GET, "/v2/messaging_optouts", Value::Null, 200),
        (Method::POST, "/v2/messages", json!({ "to": "+1" }), 400),
        (Method::POST, "/v2/messages", json!({ "to": phone(9), "from": again["from"], "text": "Hello" }), 400),
        (Method::POST, "/v2/messages", json!([]), 400),
    ] {
        assert_eq!(ask(&provider, method, path, &body).await, status, "{path}");
    }
    let rules = json!({ "whitelisted_destinations": ["ES"] });
    let elsewhere = standin.request(Method::PUT, "/_standin/account").json(&rules).send().await.unwrap();
    assert!(elsewhere.status().is_success());
    assert_eq!(ask(&provider, Method::POST, "/v2/messages", &again).await, 403);
    let refusal = json!({ "reject": { "status": 429, "code": "40333" } });
    let faults = standin.request(Method::PUT, "/_standin/faults").json(&refusal).send().await.unwrap();
    assert!(faults.status().is_success());
    assert_eq!(ask(&provider, Method::POST, "/v2/messages", &again).await, 429);

    for exchange in telnyx.exchanges() {
        let against = contract.against_exchange(&exchange);
        assert!(against.is_empty(), "{} {}: {against:#?}", exchange.request.method, exchange.request.path);
    }
    let mut kinds = std::collections::BTreeSet::new();
    // A port that another test had before may still be asked for what was there.
    for told in webhooks.exchanges().into_iter().filter(|told| told.request.path.starts_with("/v1/webhooks/")) {
        let body: Value = serde_json::from_slice(&told.request.body).unwrap();
        let kind = body["data"]["event_type"].as_str().unwrap().to_owned();
        let schema = if kind == "message.received" { "InboundMessageEvent" } else { "OutboundMessageEvent" };
        let against = contract.against(&format!("/components/schemas/{schema}"), &body);
        assert!(against.is_empty(), "{kind}: {against:#?}");
        kinds.insert(kind);
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["message.finalized", "message.received", "message.sent"]);
    parts.stop().await;
}
