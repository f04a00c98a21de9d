//! The figures of a service as CloudWatch gets them: lines of its standard output.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
};

use platform::telemetry::{metric::Kind, metrics::ALL};
use serde_json::Value;
use tokio::{io::AsyncReadExt, time::timeout};

use crate::support::{SOON, parts::Parts, process::terminate};

const NAMESPACE: &str = "FieldFuze/test";

#[tokio::test]
async fn figures_have_the_names_labels_and_units_that_alarms_ask_for() {
    let parts = Parts::start().await;
    let mut command = parts.part("projector");
    command.env("FIELDFUZE_PROJECTOR_LISTEN", "127.0.0.1:0").env("FIELDFUZE_EMF_NAMESPACE", NAMESPACE);
    command.stderr(Stdio::null());
    let mut projector = command.spawn().unwrap();
    let mut told = projector.stdout.take().unwrap();
    parts.new_role("Counted").await;
    let queries = parts.query_api(&parts.dynamodb_url()).await;
    let shown = |answer: &crate::support::Answer| answer.body["items"].as_array().is_some_and(|items| items.len() == 2);
    queries.get_until("/v1/roles", shown).await;
    // What was counted since the last minute is written at the end.
    terminate(&projector);
    let mut lines = String::new();
    timeout(SOON, told.read_to_string(&mut lines)).await.expect("the projector ends").unwrap();

    let mut seen = BTreeSet::new();
    for line in lines.lines().filter(|line| line.starts_with('{')) {
        let line: Value = serde_json::from_str(line).unwrap();
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            assert_eq!(directive["Namespace"], NAMESPACE, "{line}");
            let dimensions: BTreeMap<String, &Value> = directive["Dimensions"][0]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap())
                .map(|name| (name.to_owned(), &line[name]))
                .collect();
            assert_eq!(dimensions["service"], "projector", "{line}");
            assert!(dimensions.values().all(|value| value.is_string()), "{line}");
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                let listed = ALL.iter().find(|listed| listed.name == name).unwrap_or_else(|| panic!("{name}: {line}"));
                let labels: BTreeSet<&str> = listed.labels.iter().copied().chain(["service"]).collect();
                assert_eq!(dimensions.keys().map(String::as_str).collect::<BTreeSet<_>>(), labels, "{line}");
                assert!(!line[name].is_null(), "{line}");
                assert!(listed.kind != Kind::Histogram || metric["Unit"] == "Milliseconds", "{line}");
                seen.insert(name.to_owned());
            }
        }
    }
    for asked in ["stream_lag", "shards_without_owner", "shards_held", "projection_time", "parked_streams"] {
        assert!(seen.contains(asked), "{asked} is not among {seen:?}");
    }
    parts.stop().await;
}
