//! Lists out of the ledger: what matches a query, a page at a time.

use platform::telnyx::wire::{DetailRecord, DetailStatus, OptOut};
use rusqlite::{Connection, Row, params_from_iter, types::Value};

use super::rows::moment;
use crate::standin::query::{Bound, Field, Matching, OptOutQuery, Paging, RecordQuery};

/// How a message ended, as detail records say it; nothing while it has not.
const STATUS: &str =
    "CASE WHEN direction = 'inbound' THEN 'received' WHEN completed_at IS NOT NULL THEN 'delivered' END";

/// A message that waits in Telnyx's queue has no detail record.
const RELEASED: &str = "(direction = 'inbound' OR sent_at IS NOT NULL OR completed_at IS NOT NULL)";

/// Digits that stay away from a number that is shown redacted.
const REDACTED_DIGITS: usize = 4;

/// The conditions of a query, all of which must hold, with their values.
struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    fn new(first: &str) -> Self {
        Self { text: first.to_owned(), values: Vec::new() }
    }

    fn add(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let place = format!("?{}", self.values.len());
        self.text.push_str(" AND ");
        self.text.push_str(&condition.replace("{}", &place));
    }

    fn matches(&mut self, column: &str, how: Matching, value: &str) {
        let condition = match how {
            Matching::Equal => format!("{column} = {{}}"),
            Matching::Contains => format!("instr({column}, {{}}) > 0"),
            Matching::StartsWith => format!("instr({column}, {{}}) = 1"),
            Matching::EndsWith => format!("substr({column}, -length({{}})) = {{}}"),
        };
        self.add(&condition, value.to_owned());
    }

    fn is_within(&mut self, column: &str, created: &[(Bound, chrono::DateTime<chrono::Utc>)]) {
        for (bound, at) in created {
            let sign = match bound {
                Bound::Before => "<",
                Bound::Until => "<=",
                Bound::From => ">=",
                Bound::After => ">",
            };
            self.add(&format!("{column} {sign} {{}}"), at.timestamp_micros());
        }
    }

    /// One page of what matches, and how many match.
    fn select<T>(
        self,
        connection: &Connection,
        table: &str,
        order: &str,
        page: Paging,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<(Vec<T>, u64)> {
        let Self { text, mut values } = self;
        let count = format!("SELECT COUNT(*) FROM {table} WHERE {text}");
        let total: i64 = connection.query_row(&count, params_from_iter(&values), |row| row.get(0))?;
        values.extend([page.size, page.skipped()].map(|number| Value::from(i64::try_from(number).unwrap_or(i64::MAX))));
        let (limit, skipped) = (values.len() - 1, values.len());
        let select = format!("SELECT * FROM {table} WHERE {text} ORDER BY {order} LIMIT ?{limit} OFFSET ?{skipped}");
        let mut select = connection.prepare(&select)?;
        let rows = select.query_map(params_from_iter(&values), |row| read(row))?;
        Ok((rows.collect::<Result<_, _>>()?, total.unsigned_abs()))
    }
}

pub(super) fn records(connection: &Connection, query: &RecordQuery) -> rusqlite::Result<(Vec<DetailRecord>, u64)> {
    let mut conditions = Conditions::new(RELEASED);
    for (field, how, value) in &query.texts {
        let column = match field {
            Field::Cli => "sender",
            Field::Cld => "recipient",
            Field::Direction => "direction",
            Field::Status => STATUS,
        };
        conditions.matches(column, *how, value);
    }
    conditions.is_within("received_at", &query.created);
    let order = if query.newest_first { "received_at DESC, place DESC" } else { "received_at, place" };
    conditions.select(connection, "messages", order, query.page, read_record)
}

fn read_record(row: &Row<'_>) -> rusqlite::Result<DetailRecord> {
    let direction: String = row.get("direction")?;
    let completed_at = moment(row, "completed_at")?;
    let status = match completed_at {
        _ if direction == "inbound" => Some(DetailStatus::Received),
        ended => ended.map(|_| DetailStatus::Delivered),
    };
    Ok(DetailRecord {
        record_type: "message_detail_record".to_owned(),
        uuid: row.get("id")?,
        cli: row.get("sender")?,
        cld: row.get("recipient")?,
        direction,
        message_type: "SMS".to_owned(),
        status,
        errors: Vec::new(),
        delivery_status_webhook_url: row.get("webhook_url")?,
        delivery_status_failover_url: row.get("failover_url")?,
        parts: row.get("parts")?,
        created_at: moment(row, "received_at")?,
        sent_at: moment(row, "sent_at")?,
        completed_at,
    })
}

pub(super) fn opt_outs(connection: &Connection, query: &OptOutQuery) -> rusqlite::Result<(Vec<OptOut>, u64)> {
    let mut conditions = Conditions::new(if query.profile.is_some() { "FALSE" } else { "TRUE" });
    if let Some(from) = &query.from {
        conditions.matches("sender", Matching::Equal, from);
    }
    conditions.is_within("created_at", &query.created);
    let read = |row: &Row<'_>| {
        let to: String = row.get("phone")?;
        Ok(OptOut {
            from: row.get("sender")?,
            to: if query.redacted { redacted(&to) } else { to },
            messaging_profile_id: None,
            keyword: row.get("keyword")?,
            created_at: moment(row, "created_at")?.unwrap_or_default().to_rfc3339(),
        })
    };
    conditions.select(connection, "opt_outs", "created_at, phone", query.page, read)
}

/// `+447766123456` → `+44776612****`.
fn redacted(phone: &str) -> String {
    let shown = phone.len().saturating_sub(REDACTED_DIGITS);
    phone.chars().take(shown).chain("*".repeat(REDACTED_DIGITS).chars()).collect()
}
