//! The rows of the ledger: how messages and timers lie in the file.

use chrono::{DateTime, Utc};
use platform::telnyx::wire::{DeliveryStatus, EventType, Message, Party, Recipient};
use rusqlite::{
    Connection, OptionalExtension, Row, ToSql, params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use serde::Serialize;
use uuid::Uuid;

use crate::standin::delivery::Plan;

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::standin) enum Step {
    /// The carrier has it.
    Sent,
    /// The handset has it.
    Finalized,
    /// It came in.
    Received,
}

impl Step {
    const NAMES: [(Self, &str); 3] =
        [(Self::Sent, "sent"), (Self::Finalized, "finalized"), (Self::Received, "received")];

    /// The webhook's type.
    pub(in crate::standin) fn event_type(self) -> EventType {
        match self {
            Self::Sent => EventType::Sent,
            Self::Finalized => EventType::Finalized,
            Self::Received => EventType::Received,
        }
    }
}

impl ToSql for Step {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let name = Self::NAMES.iter().find(|(step, _)| step == self);
        Ok(ToSqlOutput::from(name.map_or("", |(_, name)| name)))
    }
}

impl FromSql for Step {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        let step = Self::NAMES.iter().find(|(_, name)| *name == text);
        step.map(|(step, _)| *step).ok_or(FromSqlError::InvalidType)
    }
}

/// A webhook that is owed.
#[derive(Debug, Clone)]
pub(in crate::standin) struct Timer {
    pub(in crate::standin) id: i64,
    /// The event's id, the same for every try and every duplicate.
    pub(in crate::standin) event: String,
    pub(in crate::standin) message: String,
    pub(in crate::standin) step: Step,
    /// When the step happens to the message.
    pub(in crate::standin) occurs_at: DateTime<Utc>,
    /// When the next try is due.
    pub(in crate::standin) due: DateTime<Utc>,
    /// Number of the next try, from 1.
    pub(in crate::standin) attempt: u32,
    /// The step happens, but nobody is told.
    pub(in crate::standin) silent: bool,
}

/// Where webhooks about a message go.
#[derive(Debug, Clone, Default)]
pub(in crate::standin) struct Addresses {
    pub(in crate::standin) webhook: Option<String>,
    /// The second address, tried when the first one failed.
    pub(in crate::standin) failover: Option<String>,
}

/// One accepted send.
#[derive(Serialize)]
pub(in crate::standin) struct LedgerItem {
    id: String,
    to: String,
    from: Option<String>,
    text: String,
    webhook_url: Option<String>,
    received_at: DateTime<Utc>,
}

pub(super) fn insert_message(
    connection: &Connection,
    message: &Message,
    addresses: &Addresses,
) -> rusqlite::Result<()> {
    let recipient = message.to.first();
    let mut insert = connection.prepare_cached(
        "INSERT INTO messages (id, place, direction, recipient, sender, text, encoding, parts, webhook_url,
             failover_url, autoresponse, received_at)
         VALUES (?1, (SELECT COALESCE(MAX(place), 0) + 1 FROM messages), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    insert.execute(params![
        message.id,
        message.direction,
        recipient.map(|recipient| &recipient.phone_number),
        message.from.as_ref().map(|party| &party.phone_number),
        message.text,
        message.encoding,
        message.parts,
        addresses.webhook,
        addresses.failover,
        message.autoresponse_type,
        message.received_at.map(|at| at.timestamp_micros()),
    ])?;
    Ok(())
}

pub(super) fn insert_timer(
    connection: &Connection,
    message: &str,
    step: Step,
    event: Uuid,
    plan: Plan,
    silent: bool,
) -> rusqlite::Result<Timer> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO timers (event, message, step, occurs_at, due, attempt, silent) VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)",
    )?;
    let (event, message) = (event.to_string(), message.to_owned());
    let Plan { occurs_at, due } = plan;
    let (occurs, falls_due) = (occurs_at.timestamp_micros(), due.timestamp_micros());
    let id = insert.insert(params![event, message, step, occurs, falls_due, silent])?;
    Ok(Timer { id, event, message, step, occurs_at, due, attempt: 1, silent })
}

pub(super) fn timers(connection: &Connection) -> rusqlite::Result<Vec<Timer>> {
    let mut select =
        connection.prepare("SELECT id, event, message, step, occurs_at, due, attempt, silent FROM timers")?;
    let rows = select.query_map([], |row| {
        Ok(Timer {
            id: row.get("id")?,
            event: row.get("event")?,
            message: row.get("message")?,
            step: row.get("step")?,
            occurs_at: moment(row, "occurs_at")?.unwrap_or_default(),
            due: moment(row, "due")?.unwrap_or_default(),
            attempt: row.get("attempt")?,
            silent: row.get("silent")?,
        })
    })?;
    rows.collect()
}

/// Never takes a message back: what came later in time may be told first.
pub(super) fn advance(connection: &Connection, id: &str, step: Step, at: DateTime<Utc>) -> rusqlite::Result<()> {
    let column = match step {
        Step::Sent => "sent_at",
        Step::Finalized => "completed_at",
        Step::Received => return Ok(()),
    };
    connection
        .prepare_cached(&format!("UPDATE messages SET {column} = COALESCE({column}, ?2) WHERE id = ?1"))?
        .execute(params![id, at.timestamp_micros()])?;
    Ok(())
}

pub(super) fn message(connection: &Connection, id: &str) -> rusqlite::Result<Option<(Message, Addresses)>> {
    let mut select = connection.prepare_cached("SELECT * FROM messages WHERE id = ?1")?;
    select.query_row([id], read_message).optional()
}

fn read_message(row: &Row<'_>) -> rusqlite::Result<(Message, Addresses)> {
    let direction: String = row.get("direction")?;
    let sent_at = moment(row, "sent_at")?;
    let completed_at = moment(row, "completed_at")?;
    let status = match (sent_at, completed_at) {
        _ if direction == "inbound" => None,
        (_, Some(_)) => Some(DeliveryStatus::Delivered),
        (Some(_), None) => Some(DeliveryStatus::Sent),
        (None, None) => Some(DeliveryStatus::Queued),
    };
    let sender: Option<String> = row.get("sender")?;
    let addresses = Addresses { webhook: row.get("webhook_url")?, failover: row.get("failover_url")? };
    let message = Message {
        id: row.get("id")?,
        record_type: "message".to_owned(),
        direction,
        kind: "SMS".to_owned(),
        from: sender.map(|phone_number| Party { phone_number, carrier: None, line_type: None }),
        to: vec![Recipient { phone_number: row.get("recipient")?, status, carrier: None, line_type: None }],
        text: row.get("text")?,
        encoding: row.get("encoding")?,
        parts: row.get("parts")?,
        webhook_url: addresses.webhook.clone(),
        errors: Vec::new(),
        autoresponse_type: row.get("autoresponse")?,
        received_at: moment(row, "received_at")?,
        sent_at,
        completed_at,
    };
    Ok((message, addresses))
}

pub(super) fn ledger(connection: &Connection) -> rusqlite::Result<Vec<LedgerItem>> {
    let mut select = connection.prepare_cached("SELECT * FROM messages WHERE direction = 'outbound' ORDER BY place")?;
    let rows = select.query_map([], |row| {
        Ok(LedgerItem {
            id: row.get("id")?,
            to: row.get("recipient")?,
            from: row.get("sender")?,
            text: row.get("text")?,
            webhook_url: row.get("webhook_url")?,
            received_at: moment(row, "received_at")?.unwrap_or_default(),
        })
    })?;
    rows.collect()
}

pub(super) fn moment(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let micros: Option<i64> = row.get(column)?;
    Ok(micros.and_then(DateTime::from_timestamp_micros))
}
