//! What the stand-in must not forget: accepted messages, webhooks owed, and who opted out. On disk before an answer.

mod rows;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use platform::telnyx::wire::Message;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{delivery::Plan, faults::WebhookFaults};
pub(super) use rows::{Addresses, LedgerItem, Step, Timer};

/// `synchronous = FULL`: what was answered survives a power cut too, not only a crash of the process.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS messages (
        id TEXT PRIMARY KEY,
        place INTEGER NOT NULL UNIQUE,
        direction TEXT NOT NULL,
        recipient TEXT NOT NULL,
        sender TEXT,
        text TEXT NOT NULL,
        encoding TEXT NOT NULL,
        parts INTEGER NOT NULL,
        webhook_url TEXT,
        failover_url TEXT,
        autoresponse TEXT,
        received_at INTEGER NOT NULL,
        sent_at INTEGER,
        completed_at INTEGER
    ) STRICT;
    CREATE TABLE IF NOT EXISTS timers (
        id INTEGER PRIMARY KEY,
        event TEXT NOT NULL,
        message TEXT NOT NULL REFERENCES messages(id),
        step TEXT NOT NULL,
        occurs_at INTEGER NOT NULL,
        due INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        silent INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS timers_due ON timers(due);
    CREATE TABLE IF NOT EXISTS opt_outs (phone TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// How long to wait for another connection's lock on the file: an inspection by hand, at most.
const BUSY: Duration = Duration::from_secs(5);

/// The ledger. Clones share it; each call runs on a thread that may block, one at a time.
#[derive(Clone)]
pub(super) struct Store(Arc<Mutex<Connection>>);

impl Store {
    /// Opens or makes the file.
    pub(super) async fn open(path: PathBuf) -> anyhow::Result<Self> {
        tokio::task::spawn_blocking(move || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY)?;
            connection.execute_batch(SCHEMA)?;
            Ok(Self(Arc::new(Mutex::new(connection))))
        })
        .await?
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let connection = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            // A transaction of a thread that panicked was rolled back: the connection is as good as before.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut connection)
        })
        .await?
        .context("the ledger's file")
    }

    /// Adds a message with the webhooks that it will cause, in one commit.
    pub(super) async fn accept(
        &self,
        message: Message,
        addresses: Addresses,
        steps: Vec<(Step, Uuid, Plan)>,
        faults: WebhookFaults,
    ) -> anyhow::Result<()> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            rows::insert_message(&transaction, &message, &addresses)?;
            let silent = faults.drop || addresses.webhook.is_none();
            let copies = if faults.duplicate && !silent { 2 } else { 1 };
            for (step, event, plan) in steps {
                for _ in 0..copies {
                    rows::insert_timer(&transaction, &message.id, step, event, plan, silent)?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// One message as it stands.
    pub(super) async fn message(&self, id: String) -> anyhow::Result<Option<Message>> {
        self.call(move |connection| Ok(rows::message(connection, &id)?.map(|(message, _)| message))).await
    }

    /// Every accepted send, oldest first.
    pub(super) async fn ledger(&self) -> anyhow::Result<Vec<LedgerItem>> {
        self.call(|connection| rows::ledger(connection)).await
    }

    /// The timers that are due first.
    pub(super) async fn timers(&self, limit: usize) -> anyhow::Result<Vec<Timer>> {
        self.call(move |connection| rows::timers(connection, limit)).await
    }

    /// The timer's step happens to its message, if it has not before; gives the message as the webhook shows it.
    pub(super) async fn happen(&self, timer: &Timer) -> anyhow::Result<(Message, Addresses)> {
        let (id, step, at) = (timer.message.clone(), timer.step, timer.occurs_at);
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            rows::advance(&transaction, &id, step, at)?;
            let found = rows::message(&transaction, &id)?;
            transaction.commit()?;
            found.ok_or(rusqlite::Error::QueryReturnedNoRows)
        })
        .await
    }

    /// The timer's webhook was acknowledged, or given up.
    pub(super) async fn finish(&self, timer: i64) -> anyhow::Result<()> {
        self.call(move |connection| {
            connection.execute("DELETE FROM timers WHERE id = ?1", [timer])?;
            Ok(())
        })
        .await
    }

    /// The timer's webhook failed and is due again.
    pub(super) async fn postpone(&self, timer: i64, due: DateTime<Utc>) -> anyhow::Result<()> {
        self.call(move |connection| {
            connection.execute(
                "UPDATE timers SET attempt = attempt + 1, due = ?2 WHERE id = ?1",
                params![timer, due.timestamp_micros()],
            )?;
            Ok(())
        })
        .await
    }

    /// Notes that a number wants no messages, or wants them again.
    pub(super) async fn opt_out(&self, phone: String, out: bool) -> anyhow::Result<()> {
        let statement = if out {
            "INSERT OR IGNORE INTO opt_outs (phone) VALUES (?1)"
        } else {
            "DELETE FROM opt_outs WHERE phone = ?1"
        };
        self.call(move |connection| {
            connection.execute(statement, [phone])?;
            Ok(())
        })
        .await
    }

    /// Whether a number wants no messages.
    pub(super) async fn has_opted_out(&self, phone: String) -> anyhow::Result<bool> {
        self.call(move |connection| {
            let found =
                connection.query_row("SELECT 1 FROM opt_outs WHERE phone = ?1", [phone], |_| Ok(())).optional()?;
            Ok(found.is_some())
        })
        .await
    }
}
