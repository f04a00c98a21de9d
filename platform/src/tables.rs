//! The tables, queues and streams as data: the one place that says what must exist.
//!
//! The local world creates them from here; the infrastructure is checked against here.

use events::notification::Lane;

/// Items of a page of a scan through a whole table. DynamoDB ends a page at 1 MB, which is a thousand commits; of small items
/// it would be tens of thousands, which whoever asks waits for and holds at once.
pub const SCAN_PAGE: i32 = 1_000;

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// A string (`S`).
    Text,
    /// A number (`N`).
    Number,
}

/// One attribute of a primary or index key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The attribute's name.
    pub name: &'static str,
    /// Its type.
    pub kind: KeyType,
}

/// A global secondary index; every index projects all attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// The index's name.
    pub name: &'static str,
    /// Partition key.
    pub partition: Key,
    /// Sort key.
    pub sort: Key,
}

/// One table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// The name, to which the stage's prefix is put in front.
    pub name: &'static str,
    /// Partition key.
    pub partition: Key,
    /// Sort key, if items share a partition key.
    pub sort: Option<Key>,
    /// Global secondary indexes.
    pub indexes: &'static [Index],
    /// Whether a stream with new images is kept.
    pub streamed: bool,
    /// The attribute (epoch seconds) after which the table may drop an item.
    pub time_to_live: Option<&'static str>,
}

const fn text(name: &'static str) -> Key {
    Key { name, kind: KeyType::Text }
}

const fn number(name: &'static str) -> Key {
    Key { name, kind: KeyType::Number }
}

/// The list index of a read model: rows spread over hash buckets, in the order in which they came to be. The entries by
/// which narrower lists are read are in it as well, each list in partitions of its own.
pub const BY_CREATED: Index = Index { name: "by_created", partition: text("bucket"), sort: text("created") };

/// The same in the order of names.
pub const BY_NAME: Index = Index { name: "by_name", partition: text("bucket"), sort: text("name_place") };

/// The same in the order of e-mail addresses.
pub const BY_EMAIL: Index = Index { name: "by_email", partition: text("bucket"), sort: text("email_place") };

/// The sparse index of notifications that have no final state yet, by the moment when somebody should look again.
pub const OPEN: Index = Index { name: "open", partition: text("open"), sort: text("look_again_at") };

/// The sessions of one user.
pub const BY_USER: Index = Index { name: "by_user", partition: text("user"), sort: text("session") };

const fn plain(name: &'static str, partition: &'static str) -> Table {
    Table { name, partition: text(partition), sort: None, indexes: &[], streamed: false, time_to_live: None }
}

/// The log: one item per commit, never updated, never deleted.
pub const EVENTS: Table = Table { sort: Some(number("version")), streamed: true, ..plain("events", "stream") };
/// Unique values, held in the transaction of the commit that takes them.
pub const CLAIMS: Table = plain("claims", "claim");
/// The wrapped data key of each subject, or its tombstone.
pub const KEYS: Table = plain("keys", "subject");
/// Password hashes and other secrets that never enter the log.
pub const CREDENTIALS: Table = Table { time_to_live: Some("expires_at"), ..plain("credentials", "user") };
/// One refresh-token family per session.
pub const SESSIONS: Table =
    Table { indexes: &[BY_USER], time_to_live: Some("expires_at"), ..plain("sessions", "session") };
/// What each role permits, and who or what was voided: read by every verifier once a second.
pub const RIGHTS: Table = Table { sort: Some(text("id")), time_to_live: Some("expires_at"), ..plain("rights", "kind") };
/// Read model of users. The name comes from the original system.
pub const USERS: Table = Table { indexes: &[BY_CREATED, BY_NAME, BY_EMAIL], ..plain("users1", "id") };
/// Read model of roles. The name comes from the original system.
pub const ROLES: Table = Table { indexes: &[BY_CREATED], ..plain("role", "id") };
/// Read model of every event, by hour.
pub const AUDIT: Table = Table { sort: Some(text("position")), ..plain("audit", "slot") };
/// Read model of notifications.
pub const NOTIFICATIONS: Table = Table { indexes: &[BY_CREATED, OPEN], ..plain("notifications", "id") };
/// Who reads which shard of the log's stream, and how far.
pub const LEASES: Table = plain("leases", "lease");
/// Streams whose record could not be applied, with the error.
pub const PARKED: Table = plain("parked", "stream");

/// The signed heads of all streams, as an auditor took them.
pub const CHECKPOINTS: Table = Table { sort: Some(text("part")), ..plain("checkpoints", "log") };

/// How many attempts were made, by rule and by whom, so that who makes too many is slowed down.
pub const THROTTLES: Table = Table { time_to_live: Some("expires_at"), ..plain("throttles", "throttle") };

/// When the next message may go out, for all dispatchers together.
pub const PACING: Table = plain("pacing", "account");

/// Every table.
pub const ALL: [Table; 15] = [
    EVENTS,
    CLAIMS,
    KEYS,
    CREDENTIALS,
    SESSIONS,
    RIGHTS,
    USERS,
    ROLES,
    AUDIT,
    NOTIFICATIONS,
    LEASES,
    PARKED,
    CHECKPOINTS,
    THROTTLES,
    PACING,
];

/// One queue with its dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Whose messages it carries.
    pub lane: Lane,
    /// The name, to which the stage's prefix is put in front.
    pub name: &'static str,
    /// Name of the dead-letter queue.
    pub dead_letters: &'static str,
}

/// Every queue, most urgent first.
pub const QUEUES: [Queue; 3] = [
    Queue { lane: Lane::Code, name: "notify-code", dead_letters: "notify-code-dead" },
    Queue { lane: Lane::Transactional, name: "notify-transactional", dead_letters: "notify-transactional-dead" },
    Queue { lane: Lane::Bulk, name: "notify-bulk", dead_letters: "notify-bulk-dead" },
];

/// Seconds for which a received message is invisible: longer than the longest send (15 s) with its writes around it.
pub const VISIBILITY_SECONDS: u32 = 60;

/// Receives after which SQS moves a message to the dead letters. The dispatcher takes one off at the last of them that failed
/// for no reason of its own: the sweeper brings it back.
pub const MAX_RECEIVES: u32 = 5;

/// The physical names of one stage: every table and queue behind one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// Names behind `prefix` (may be empty).
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The physical name of a table.
    pub fn table(&self, table: &Table) -> String {
        format!("{}{}", self.prefix, table.name)
    }

    /// The physical name of a queue or dead-letter queue.
    pub fn queue(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
