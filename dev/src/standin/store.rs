//! What the stand-in must not forget: accepted messages, webhooks owed, and who opted out. On disk before an answer.

mod rows;
mod schema;
mod search;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use platform::telnyx::wire::{DetailRecord, Message, OptOut};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    delivery::Plan,
    faults::WebhookFaults,
    query::{OptOutQuery, RecordQuery},
};
pub(super) use rows::{Addresses, LedgerItem, Step, Timer};
use writer::Writer;

/// The ledger. Clones share it. Writes go through one thread, reads run beside them on threads that may block.
#[derive(Clone)]
pub(super) struct Store {
    writer: Writer,
    reader: Arc<Mutex<Connection>>,
}

impl Store {
    /// Opens or makes the file.
    pub(super) async fn open(path: PathBuf) -> anyhow::Result<Self> {
        tokio::task::spawn_blocking(move || {
            let writer = Writer::start(schema::open(&path)?)?;
            Ok(Self { writer, reader: Arc::new(Mutex::new(schema::connect(&path)?)) })
        })
        .await?
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let connection = Arc::clone(&self.reader);
        tokio::task::spawn_blocking(move || {
            // A thread that panicked left nothing behind: it only read.
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&connection)
        })
        .await?
        .context("the ledger's file")
    }

    /// Adds a message with the webhooks that it will cause, in one commit; gives these.
    pub(super) async fn accept(
        &self,
        message: Message,
        addresses: Addresses,
        steps: Vec<(Step, Uuid, Plan)>,
        faults: WebhookFaults,
    ) -> anyhow::Result<Vec<Timer>> {
        let work = move |connection: &Connection| {
            rows::insert_message(connection, &message, &addresses)?;
            let silent = faults.drop || addresses.webhook.is_none();
            let copies = if faults.duplicate && !silent { 2 } else { 1 };
            let mut timers = Vec::new();
            for (step, event, plan) in steps {
                for _ in 0..copies {
                    timers.push(rows::insert_timer(connection, &message.id, step, event, plan, silent)?);
                }
            }
            Ok(timers)
        };
        self.writer.write(work).await
    }

    /// One message as it stands.
    pub(super) async fn message(&self, id: String) -> anyhow::Result<Option<Message>> {
        self.read(move |connection| Ok(rows::message(connection, &id)?.map(|(message, _)| message))).await
    }

    /// Every accepted send, oldest first.
    pub(super) async fn ledger(&self) -> anyhow::Result<Vec<LedgerItem>> {
        self.read(rows::ledger).await
    }

    /// The detail records that a query asks for, and how many there are on all pages.
    pub(super) async fn records(&self, query: RecordQuery) -> anyhow::Result<(Vec<DetailRecord>, u64)> {
        self.read(move |connection| search::records(connection, &query)).await
    }

    /// The opt-outs that a query asks for, and how many there are on all pages.
    pub(super) async fn opt_outs(&self, query: OptOutQuery) -> anyhow::Result<(Vec<OptOut>, u64)> {
        self.read(move |connection| search::opt_outs(connection, &query)).await
    }

    /// Every webhook that is owed.
    pub(super) async fn timers(&self) -> anyhow::Result<Vec<Timer>> {
        self.read(rows::timers).await
    }

    /// The timer's step happens to its message, if it has not before; gives the message as the webhook shows it.
    pub(super) async fn happen(&self, timer: &Timer) -> anyhow::Result<(Message, Addresses)> {
        let (id, step, at) = (timer.message.clone(), timer.step, timer.occurs_at);
        let work = move |connection: &Connection| {
            rows::advance(connection, &id, step, at)?;
            rows::message(connection, &id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
        };
        self.writer.write(work).await
    }

    /// The timer's webhook was acknowledged, or given up.
    pub(super) async fn finish(&self, timer: i64) -> anyhow::Result<()> {
        let work = move |connection: &Connection| {
            connection.prepare_cached("DELETE FROM timers WHERE id = ?1")?.execute([timer])?;
            Ok(())
        };
        self.writer.write(work).await
    }

    /// The timer's webhook failed and is due again.
    pub(super) async fn postpone(&self, timer: i64, due: DateTime<Utc>) -> anyhow::Result<()> {
        let work = move |connection: &Connection| {
            let due = due.timestamp_micros();
            connection
                .prepare_cached("UPDATE timers SET attempt = attempt + 1, due = ?2 WHERE id = ?1")?
                .execute(params![timer, due])?;
            Ok(())
        };
        self.writer.write(work).await
    }

    /// Notes that a number wrote to one of ours that it wants no messages.
    pub(super) async fn opt_out(
        &self,
        phone: String,
        sender: String,
        keyword: String,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let work = move |connection: &Connection| {
            connection.execute(
                "INSERT OR IGNORE INTO opt_outs (phone, sender, keyword, created_at) VALUES (?1, ?2, ?3, ?4)",
                params![phone, sender, keyword, now.timestamp_micros()],
            )?;
            Ok(())
        };
        self.writer.write(work).await
    }

    /// Notes that a number wants messages again.
    pub(super) async fn opt_in(&self, phone: String) -> anyhow::Result<()> {
        let work = move |connection: &Connection| {
            connection.execute("DELETE FROM opt_outs WHERE phone = ?1", [phone])?;
            Ok(())
        };
        self.writer.write(work).await
    }

    /// Whether a number wants no messages.
    pub(super) async fn has_opted_out(&self, phone: String) -> anyhow::Result<bool> {
        self.read(move |connection| {
            let mut select = connection.prepare_cached("SELECT 1 FROM opt_outs WHERE phone = ?1")?;
            Ok(select.query_row([phone], |_| Ok(())).optional()?.is_some())
        })
        .await
    }
}
