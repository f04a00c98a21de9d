//! The log: streams of commits, and the fold of each.

use std::collections::BTreeMap;

use events::stream::Version;

/// A row's content after one more commit. Any skipped, repeated or swapped commit gives another number.
pub(super) fn evolve(fold: u64, payload: u64) -> u64 {
    (fold.rotate_left(23) ^ payload).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A commit as the handler meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) stream: u64,
    pub(super) version: Version,
    pub(super) payload: u64,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    commits: BTreeMap<(u64, u64), Logged>,
}

#[derive(Debug)]
struct Logged {
    payload: u64,
    /// The fold of the stream up to and with this commit.
    fold: u64,
}

impl Log {
    /// Appends to a stream.
    pub(super) fn append(&mut self, stream: u64, payload: u64) -> Commit {
        let head = self.head(stream);
        let fold = evolve(self.fold(stream, head), payload);
        self.commits.insert((stream, head + 1), Logged { payload, fold });
        Commit { stream, version: Version(head + 1), payload }
    }

    /// Version of a stream's last commit.
    pub(super) fn head(&self, stream: u64) -> u64 {
        self.commits.range((stream, 0)..=(stream, u64::MAX)).next_back().map_or(0, |((_, version), _)| *version)
    }

    /// What a row of this version must hold.
    pub(super) fn fold(&self, stream: u64, version: u64) -> u64 {
        self.commits.get(&(stream, version)).map_or(0, |logged| logged.fold)
    }

    /// A page of the whole log, behind a key.
    pub(super) fn scan(&self, after: (u64, u64), limit: usize) -> Vec<Commit> {
        self.read(after, (u64::MAX, u64::MAX)).take(limit).collect()
    }

    /// Commits of a stream behind `after` and before `before`.
    pub(super) fn between(&self, stream: u64, after: Version, before: Version) -> Vec<Commit> {
        self.read((stream, after.0), (stream, before.0 - 1)).collect()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (u64, u64)> {
        self.commits.keys().copied()
    }

    fn read(&self, after: (u64, u64), until: (u64, u64)) -> impl Iterator<Item = Commit> {
        self.commits.range((after.0, after.1 + 1)..=until).map(|((stream, version), logged)| Commit {
            stream: *stream,
            version: Version(*version),
            payload: logged.payload,
        })
    }
}
