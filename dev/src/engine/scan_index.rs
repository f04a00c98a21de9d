//! The index without which a page of a parallel scan takes as long as the whole table.
//!
//! The engine reads a segment by the order of a hash that it keeps beside each item, and sorts all items anew for each
//! page. An index over that order makes a page a search. It lies on the log, which alone is scanned in parts, and is as
//! private to `dynoxide` as the one of `stream_index`: the test asks `SQLite` for its plan.

use std::path::Path;

use rusqlite::Connection;

use super::stream_index::BUSY;

/// Creates the index on a table that `dynoxide` has created before.
pub(super) fn create(file: &Path, table: &str) -> rusqlite::Result<()> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    let table = table.replace('"', "\"\"");
    let create = format!("CREATE INDEX IF NOT EXISTS \"ff_scan_{table}\" ON \"{table}\"(hash_prefix, pk, sk)");
    connection.execute_batch(&create)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statement of `dynoxide` 3.2.0 (`src/storage_backend/sql_builders.rs`) that goes on with a segment.
    const STATEMENT: &str = "SELECT pk, sk, item_json FROM \"stage-events\" WHERE (hash_prefix, pk, sk) > (?3, ?1, ?2) \
        AND substr(hash_prefix, 1, 3) >= ?4 AND substr(hash_prefix, 1, 3) <= ?5 \
        ORDER BY hash_prefix ASC, pk ASC, sk ASC LIMIT 200";

    fn plan(connection: &Connection) -> String {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {STATEMENT}")).unwrap();
        let steps = explain.query_map(rusqlite::params_from_iter(["1"; 5]), |row| row.get::<_, String>("detail"));
        steps.unwrap().collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    #[test]
    fn a_page_of_a_segment_searches_the_index() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("database");
        let database = dynoxide::Database::new(file.to_str().unwrap()).unwrap();
        let table = serde_json::json!({
            "TableName": "stage-events", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "stream", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "stream", "KeyType": "HASH" }]
        });
        database.create_table(serde_json::from_value(table).unwrap()).unwrap();
        assert!(plan(&Connection::open(&file).unwrap()).contains("TEMP B-TREE"));
        create(&file, "stage-events").unwrap();
        let plan = plan(&Connection::open(&file).unwrap());
        assert!(plan.contains("SEARCH") && plan.contains("ff_scan_stage-events") && !plan.contains("TEMP"), "{plan}");
    }
}
