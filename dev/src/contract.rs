//! What the infrastructure is built from: tables, queues, ports, routing and rights as one JSON document.

use clap::CommandFactory;
use platform::{
    access::{GRANTS, Principal, Resource},
    lifecycle::DRAIN_DEADLINE,
    tables::{ALL, Index, Key, KeyType, MAX_RECEIVES, QUEUES, Table, VISIBILITY_SECONDS},
    telemetry::metrics,
};
use serde_json::{Value, json};

use crate::{
    proxy::{READING_METHODS, VIEWER_ADDRESS},
    queue::DEAD_LETTER_RETENTION_SECONDS,
};

/// The document. `infra/contract/platform.json` is kept to it by test.
pub fn contract() -> Value {
    json!({
        "services": services(),
        "health": { "alive": "/healthz", "ready": "/readyz" },
        "reading_methods": READING_METHODS.map(|method| method.to_string()),
        "viewer_address_header": VIEWER_ADDRESS.as_str(),
        "drain_seconds": DRAIN_DEADLINE.as_secs(),
        "tables": ALL.iter().map(table).collect::<Vec<_>>(),
        "queues": QUEUES.map(|queue| json!({ "name": queue.name, "dead_letters": queue.dead_letters })),
        "visibility_seconds": VISIBILITY_SECONDS,
        "max_receives": MAX_RECEIVES,
        "dead_letter_retention_seconds": DEAD_LETTER_RETENTION_SECONDS,
        "metrics_namespace": metrics::NAMESPACE,
        "metrics": metrics::ALL.iter().map(|metric| json!({
            "name": metric.name, "kind": metric.kind.name(), "labels": metric.labels,
        })).collect::<Vec<_>>(),
        "grants": GRANTS.iter().flat_map(|grant| {
            on(&grant.on).into_iter().map(|on| json!({ "to": grant.to.name(), "on": on, "actions": grant.actions }))
        }).collect::<Vec<_>>(),
    })
}

/// Each service with the port on which it listens unless it is told otherwise.
fn services() -> Vec<Value> {
    let commands = [
        (Principal::CommandApi, command_api::config::Config::command()),
        (Principal::QueryApi, query_api::config::Config::command()),
        (Principal::Projector, projector::config::Config::command()),
    ];
    commands
        .iter()
        .map(|(service, command)| {
            let listen = command.get_arguments().find(|argument| argument.get_id() == "listen");
            let default = listen.and_then(|listen| listen.get_default_values().first()?.to_str()).unwrap_or_default();
            let port: Option<u16> = default.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            json!({ "name": service.name(), "port": port })
        })
        .collect()
}

fn key(key: &Key) -> Value {
    let kind = match key.kind {
        KeyType::Text => "S",
        KeyType::Number => "N",
    };
    json!({ "name": key.name, "type": kind })
}

fn table(table: &Table) -> Value {
    let index =
        |index: &Index| json!({ "name": index.name, "partition": key(&index.partition), "sort": key(&index.sort) });
    json!({
        "name": table.name,
        "partition": key(&table.partition),
        "sort": table.sort.as_ref().map(key),
        "indexes": table.indexes.iter().map(index).collect::<Vec<_>>(),
        "streamed": table.streamed,
        "time_to_live": table.time_to_live,
    })
}

/// The resources of AWS that a right is on: of queues one for each lane.
fn on(resource: &Resource) -> Vec<Value> {
    let one = |kind: &str, name: &str| json!({ kind: name });
    match resource {
        Resource::Table(table) => vec![one("table", table.name)],
        Resource::IndexesOf(table) => vec![one("indexes_of", table.name)],
        Resource::StreamOf(table) => vec![one("stream_of", table.name)],
        Resource::Queues => QUEUES.iter().map(|queue| one("queue", queue.name)).collect(),
        Resource::DeadLetters => QUEUES.iter().map(|queue| one("queue", queue.dead_letters)).collect(),
        Resource::WrappingKey => vec!["wrapping-key".into()],
        Resource::Secrets => vec!["secrets".into()],
    }
}

#[cfg(test)]
mod tests {
    use platform::http::document::KEEP;

    use super::*;

    #[test]
    fn the_infrastructure_is_built_from_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/contract/platform.json");
        let text = format!("{:#}\n", contract());
        if std::env::var_os(KEEP).is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap();
        assert_eq!(kept, text, "look at the difference, then run the tests with {KEEP}=1");
    }
}
