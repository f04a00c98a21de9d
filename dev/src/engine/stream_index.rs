//! The index without which every write slows down as the stream grows.
//!
//! The engine finds the next sequence number, and a page of records, by a scan of all records of the table. An index
//! over the same expression makes both a search. It lies on a table private to `dynoxide`, which is why that crate is
//! pinned exactly and the tests ask `SQLite` for its plan.

use std::{path::Path, time::Duration};

use rusqlite::Connection;

const CREATE: &str = "CREATE INDEX IF NOT EXISTS ff_stream_seq \
    ON _stream_records(table_name, CAST(sequence_number AS INTEGER))";

/// How long to wait for the engine's own lock on the file: at this moment nobody else writes.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Creates the index in a database that `dynoxide` has opened (and so given its tables) before.
pub(super) fn create(file: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(CREATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements of `dynoxide` 3.2.0 (`src/storage.rs`) that a write and a read of the stream run.
    const STATEMENTS: [&str; 2] = [
        "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?1",
        "SELECT event_name, keys_json, new_image, old_image, sequence_number, created_at, user_identity, event_id
             FROM _stream_records
             WHERE table_name = ?1 AND shard_id = ?2 AND CAST(sequence_number AS INTEGER) > ?3
             ORDER BY CAST(sequence_number AS INTEGER) ASC
             LIMIT ?4",
    ];

    fn plan(connection: &Connection, statement: &str) -> String {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let values = vec!["1"; explain.parameter_count()];
        let steps =
            explain.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>("detail")).unwrap();
        steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    #[test]
    fn writes_and_reads_of_the_stream_search_the_index() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("database");
        let _engine = dynoxide::Database::new(file.to_str().unwrap()).unwrap();
        let connection = Connection::open(&file).unwrap();
        for statement in STATEMENTS {
            assert!(!plan(&connection, statement).contains("ff_stream_seq"));
        }
        create(&file).unwrap();
        // A plan is made from the schema that its connection has seen, so this takes a new one.
        let connection = Connection::open(&file).unwrap();
        for statement in STATEMENTS {
            let plan = plan(&connection, statement);
            assert!(plan.contains("INDEX ff_stream_seq"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "sorted by hand: {plan}");
        }
    }
}
