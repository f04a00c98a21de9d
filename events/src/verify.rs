//! Checks a log commit by commit: chains, contiguity, and the last signed checkpoint.
//!
//! Pure: whoever reads the log feeds it. What it remembers is one head per stream, however many commits there are.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use chrono::{DateTime, Utc};

use crate::{
    chain::Hash,
    checkpoint::Head,
    commit::{CommittedEvent, StoredCommit},
    event::{EventData, StoredEvent},
    notification::NotificationEvent,
    number::NumberEvent,
    role::RoleEvent,
    session::SessionEvent,
    stream::{Category, StreamId, Version},
    user::UserEvent,
};

/// Findings that are kept word for word; beyond them only the count grows.
const KEPT: usize = 1_000;

/// Something that is wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The stream and version, as far as they can be read.
    pub place: String,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What can be wrong. None of these quotes what a commit holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It cannot be read as a commit.
    Undecodable(String),
    /// An attribute is not written as we write it, or is none of ours.
    Foreign(String),
    /// Its hash does not follow from what it holds and its predecessor: one of the two was changed.
    Hash,
    /// Commits before it are missing.
    Hole {
        /// The first that is missing.
        from: Version,
    },
    /// It comes a second time, or behind a later one.
    OutOfPlace,
    /// It was recorded before its predecessor.
    BackInTime,
    /// At the version of the checkpoint it has another hash.
    NotAsSigned,
    /// The stream ends below the version of the checkpoint.
    Cut {
        /// The version that was signed.
        signed: Version,
    },
    /// The stream of the checkpoint is gone.
    Missing,
    /// The whole is not what it says of itself: an export that was cut, a checkpoint that does not fit.
    Whole(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecodable(why) => write!(f, "cannot be read as a commit: {why}"),
            Self::Foreign(name) => write!(f, "attribute {name} is not as it was written"),
            Self::Hash => f.write_str("the hash does not fit: this commit or the one before it was changed"),
            Self::Hole { from } => write!(f, "commits from version {from} on are missing before it"),
            Self::OutOfPlace => f.write_str("comes again, or behind a later one"),
            Self::BackInTime => f.write_str("was recorded before its predecessor"),
            Self::NotAsSigned => f.write_str("is not the commit that the checkpoint signed"),
            Self::Cut { signed } => write!(f, "ends below version {signed}, which the checkpoint signed"),
            Self::Missing => f.write_str("the checkpoint signed it, and it is gone"),
            Self::Whole(what) => f.write_str(what),
        }
    }
}

/// How far a stream has been checked.
#[derive(Debug, Clone, Copy)]
struct Seen {
    version: Version,
    hash: Hash,
    recorded_at: DateTime<Utc>,
}

/// The check of one log, or of a part of it that holds whole streams.
#[derive(Debug, Default)]
pub struct Verifier {
    streams: HashMap<StreamId, Seen>,
    commits: u64,
    findings: Vec<Finding>,
    found: u64,
    unknown: u64,
}

impl Verifier {
    /// Takes the next commit. `text` is each attribute as it is stored, by name.
    pub fn take(&mut self, commit: &StoredCommit, text: &BTreeMap<String, String>, signed: Option<&Head>) {
        self.commits += 1;
        for name in foreign(commit, text) {
            self.report(commit, Wrong::Foreign(name));
        }
        match serde_json::from_str::<Vec<CommittedEvent>>(&commit.events) {
            Ok(events) => {
                let unknown = events.iter().filter(|it| !is_known(commit.stream.category, &it.event));
                self.unknown += unknown.count() as u64;
            }
            Err(_) => self.report(commit, Wrong::Undecodable("its events are not a list of events".to_owned())),
        }
        let before = self.streams.get(&commit.stream).copied();
        let (version, hash) = before.map_or((Version::NONE, Hash::GENESIS), |seen| (seen.version, seen.hash));
        if commit.version <= version {
            return self.report(commit, Wrong::OutOfPlace);
        }
        if commit.version > version.next() {
            self.report(commit, Wrong::Hole { from: version.next() });
        } else if commit.expected_hash(&hash) != commit.hash {
            self.report(commit, Wrong::Hash);
        }
        if before.is_some_and(|seen| commit.recorded_at < seen.recorded_at) {
            self.report(commit, Wrong::BackInTime);
        }
        if signed.is_some_and(|signed| signed.version == commit.version && signed.hash != commit.hash) {
            self.report(commit, Wrong::NotAsSigned);
        }
        let seen = Seen { version: commit.version, hash: commit.hash, recorded_at: commit.recorded_at };
        self.streams.insert(commit.stream, seen);
    }

    /// Notes what is wrong with something that cannot be taken.
    pub fn note(&mut self, place: impl Into<String>, wrong: Wrong) {
        self.found += 1;
        if self.findings.len() < KEPT {
            self.findings.push(Finding { place: place.into(), wrong });
        }
    }

    fn report(&mut self, commit: &StoredCommit, wrong: Wrong) {
        self.note(format!("{} at {}", commit.stream, commit.version), wrong);
    }

    /// Adds what was found in another part of the log.
    pub fn merge(&mut self, other: Self) {
        self.commits += other.commits;
        self.found += other.found;
        self.unknown += other.unknown;
        self.findings.extend(other.findings);
        self.findings.truncate(KEPT);
        for (stream, seen) in other.streams {
            if let Some(here) = self.streams.insert(stream, seen) {
                self.note(format!("{stream} at {}", here.version), Wrong::OutOfPlace);
            }
        }
    }

    /// Compares what was seen with what a checkpoint signed: no stream may be gone or shorter.
    pub fn compare(&mut self, signed: &HashMap<StreamId, Head>) {
        let mut short: Vec<(StreamId, Wrong)> = Vec::new();
        for (stream, head) in signed {
            match self.streams.get(stream) {
                None => short.push((*stream, Wrong::Missing)),
                Some(seen) if seen.version < head.version => {
                    short.push((*stream, Wrong::Cut { signed: head.version }));
                }
                Some(_) => (),
            }
        }
        short.sort_by_key(|(stream, _)| *stream);
        for (stream, wrong) in short {
            self.note(stream.to_string(), wrong);
        }
    }

    /// The heads of all streams, in the order of the streams.
    pub fn heads(&self) -> BTreeMap<StreamId, Head> {
        let head = |seen: &Seen| Head { version: seen.version, hash: seen.hash };
        self.streams.iter().map(|(stream, seen)| (*stream, head(seen))).collect()
    }

    /// How many commits were taken.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// How many events are of a type or schema that this build cannot read: no fault, for a later one may have written
    /// them.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// How much is wrong.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// What is wrong, the first thousand of it.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

fn is_known(category: Category, event: &StoredEvent) -> bool {
    let knows = match category {
        Category::User => UserEvent::knows,
        Category::Role => RoleEvent::knows,
        Category::Notification => NotificationEvent::knows,
        Category::Session => SessionEvent::knows,
        Category::Number => NumberEvent::knows,
    };
    knows(&event.kind, event.schema)
}

/// Attributes whose text is not what we would write for the commit that it reads as: the hash covers what we write.
fn foreign(commit: &StoredCommit, text: &BTreeMap<String, String>) -> Vec<String> {
    let mut written: BTreeMap<String, String> =
        commit.attributes().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    written.insert("hash".to_owned(), commit.hash.to_string());
    let differs = |name: &&String| text.get(*name) != written.get(*name);
    let mut names: Vec<String> = text.keys().chain(written.keys()).filter(differs).cloned().collect();
    names.sort();
    names.dedup();
    names
}
