//! Every metric that our services have. `docs/METRICS.md` and the dashboards in `infra/` are held to this list by tests.

use metrics::Unit;

use super::metric::{Counter, Described, Gauge, Histogram, Kind};

/// The namespace in CloudWatch; behind a slash the stage.
pub const NAMESPACE: &str = "FieldFuze";

macro_rules! list {
    ($($constant:ident = $kind:ident $name:literal in $unit:ident by [$($label:literal),*]: $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $constant: $kind = $kind(Described {
                name: $name, kind: Kind::$kind, unit: Unit::$unit, labels: &[$($label),*], meaning: $meaning,
            });
        )*

        /// All of them.
        pub static ALL: &[&Described] = &[$(&$constant.0),*];
    };
}

list! {
    REQUESTS = Counter "requests" in Count by ["route", "outcome"]:
        "Requests by how they ended: `answered`, `refused` (4xx), `failed` (5xx)";
    REQUEST_TIME = Histogram "request_time" in Milliseconds by ["route"]:
        "From a request's head to its answer's";
    REQUESTS_SHED = Counter "requests_shed" in Count by []:
        "Requests refused unread because too many were being worked on";
    APPENDS = Counter "appends" in Count by ["category"]:
        "Commits appended to the log";
    APPEND_CONFLICTS = Counter "append_conflicts" in Count by ["category"]:
        "Appends that found that somebody else had been first";
    APPEND_RETRIES = Counter "append_retries" in Count by ["category"]:
        "Commands decided again after a conflict";
    CAPACITY = Counter "capacity" in Count by ["table"]:
        "Capacity consumed at DynamoDB, in thousandths of a unit";
    AWS_FAILURES = Counter "aws_failures" in Count by ["operation"]:
        "Calls of AWS that failed with all their tries";
    REVOCATION_AGE = Gauge "revocation_age" in Seconds by []:
        "Age of the copy of the rights by which tokens are judged; above 5 every request is refused";
    SIGN_INS = Counter "sign_ins" in Count by ["result"]:
        "Sign-ins by result: `succeeded`, or the code of the refusal";
    HASH_QUEUE = Gauge "hash_queue" in Count by []:
        "Works on passwords that are under way or wait for a thread; at 64 sign-ins are refused";
    HASH_TIME = Histogram "hash_time" in Milliseconds by []:
        "From a password's arrival to its hash";
    STREAM_LAG = Gauge "stream_lag" in Seconds by []:
        "Everything recorded before so long ago is projected, as far as is known; the polling interval when nothing is late";
    SHARDS_WITHOUT_OWNER = Gauge "shards_without_owner" in Count by []:
        "Shards that could be read and that nobody reads";
    SHARDS_HELD = Gauge "shards_held" in Count by []:
        "Shards that this process reads";
    RECORDS_APPLIED = Counter "records_applied" in Count by []:
        "Records of the log's stream that were projected";
    STREAM_INCIDENTS = Counter "stream_incidents" in Count by ["what"]:
        "What went otherwise than usual with the stream: trimmed, vanished, caught up, throttled and so on";
    PROJECTION_TIME = Histogram "projection_time" in Milliseconds by ["category"]:
        "To bring the rows of one stream up to date";
    PARKED_STREAMS = Gauge "parked_streams" in Count by []:
        "Streams set aside because one of their commits cannot be read";
    GAPS_HEALED = Counter "gaps_healed" in Count by []:
        "Gaps in a stream's records that were filled from the log";
    DRIFT = Counter "drift" in Count by ["category"]:
        "Rows and claims that the audit found to be other than the log says";
    QUEUE_DEPTH = Gauge "queue_depth" in Count by ["lane"]:
        "Messages of a lane that wait or are being worked on";
    QUEUE_AGE = Histogram "queue_age" in Milliseconds by ["lane"]:
        "From a message's arrival on its lane to its first reception";
    SENDS = Counter "sends" in Count by ["outcome"]:
        "Text messages handed to the provider, by what came of it; `withheld` were not handed over";
    RECEIPTS = Counter "receipts" in Count by ["status"]:
        "What the provider told afterwards";
    SEND_ALARMS = Counter "send_alarms" in Count by ["cause"]:
        "What somebody has to mend before messages get through";
    LOG_LINES = Counter "log_lines" in Count by ["level"]:
        "Warnings and errors logged";
    LOG_LINES_LEFT_OUT = Counter "log_lines_left_out" in Count by []:
        "Lines that were not logged because the same place logged too many";
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write, path::Path};

    use super::*;

    #[test]
    fn names_are_unique_and_plain() {
        let mut names: Vec<&str> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(ALL.iter().flat_map(|metric| metric.labels).chain(&names).all(|name| plain(name)));
    }

    fn listed() -> String {
        let mut text = String::from(
            "# Metrics

Every metric of the services. This file is made from `platform/src/telemetry/metrics.rs`: change it there, and write the file
anew with `FIELDFUZE_KEEP_DOCUMENTS=1 cargo test --workspace --lib`.

`GET /metrics` on a service's own port shows them in Prometheus's text format. On AWS they are in CloudWatch's namespace
`FieldFuze/<stage>`, with the dimension `service` and one for each label; counters there count since the last minute.

| metric | kind | unit | labels | meaning |
|---|---|---|---|---|
",
        );
        for Described { name, kind, unit, labels, meaning } in ALL {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let (kind, unit) = (kind.name(), unit.as_str());
            writeln!(text, "| `{name}` | {kind} | {unit} | {} | {meaning} |", labels.join(", ")).unwrap();
        }
        text
    }

    #[test]
    fn the_list_in_the_docs_is_kept() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
        if std::env::var_os("FIELDFUZE_KEEP_DOCUMENTS").is_some() {
            std::fs::write(&path, listed()).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == listed(), "docs/METRICS.md is not what the code says: write it anew as it says at its top");
    }
}
