//! The tables of the ledger, and how its file is opened.

use std::{path::Path, time::Duration};

use rusqlite::Connection;

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
    CREATE INDEX IF NOT EXISTS messages_received ON messages(received_at);
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
    DROP INDEX IF EXISTS timers_due;
    CREATE TABLE IF NOT EXISTS opt_outs (phone TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// What opt-outs of older files lack: to which number of ours it was written, in which word, and when.
const OPT_OUT_COLUMNS: &str = "
    ALTER TABLE opt_outs ADD COLUMN sender TEXT NOT NULL DEFAULT '';
    ALTER TABLE opt_outs ADD COLUMN keyword TEXT;
    ALTER TABLE opt_outs ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
";

/// How long to wait for another connection's lock on the file: an inspection by hand, at most.
const BUSY: Duration = Duration::from_secs(5);

/// Opens the file, with every table.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.execute_batch(SCHEMA)?;
    let told_when = "SELECT 1 FROM pragma_table_info('opt_outs') WHERE name = 'created_at'";
    if !connection.prepare(told_when)?.exists([])? {
        connection.execute_batch(OPT_OUT_COLUMNS)?;
    }
    Ok(connection)
}

/// A further connection to a file that was opened.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}
