//! The thread that writes the ledger. What waits at the same time is committed together: one flush of the disk serves all.

use std::{
    iter,
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use anyhow::{Context, anyhow};
use rusqlite::{Connection, Savepoint, TransactionBehavior};
use tokio::sync::oneshot;

/// Jobs of one commit: the flush is spread thin enough, and nobody waits long for the others' statements.
const MAX_GROUP: usize = 256;

/// A piece of work, undone by itself when it fails.
type Job = Box<dyn FnOnce(&Savepoint<'_>) -> Done + Send>;

/// Takes why the group is not on disk, if it is not.
type Tell = Box<dyn FnOnce(Option<&rusqlite::Error>)>;

/// What is left of a job once it ran.
struct Done {
    /// Whether its changes stay.
    keep: bool,
    /// Tells whoever waits for it, once its group is on disk or is known not to be.
    tell: Tell,
}

/// The way to the thread. It ends when the last clone is gone.
#[derive(Clone)]
pub(super) struct Writer(Sender<Job>);

impl Writer {
    /// Starts the thread on a connection.
    pub(super) fn start(connection: Connection) -> anyhow::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        let work = move || run(connection, &jobs);
        thread::Builder::new().name("standin-ledger".to_owned()).spawn(work).context("the ledger's thread")?;
        Ok(Self(sender))
    }

    /// Asks for some work, which is done in the order of these calls; the future gives its result when it is on disk.
    pub(super) fn write<T, W>(&self, work: W) -> impl Future<Output = anyhow::Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (sender, told) = oneshot::channel();
        let job = move |savepoint: &Savepoint<'_>| {
            let result = work(savepoint);
            let keep = result.is_ok();
            let tell = move |failed: Option<&rusqlite::Error>| {
                let result = match failed {
                    None => result.context("the ledger's file"),
                    Some(error) => Err(anyhow!("the ledger's file: {error}")),
                };
                // Whoever asked may have gone: the work is done all the same.
                let _ = sender.send(result);
            };
            Done { keep, tell: Box::new(tell) }
        };
        let sent = self.0.send(Box::new(job)).map_err(|_| anyhow!("the ledger's thread has ended"));
        async move {
            sent?;
            told.await.context("the ledger's thread dropped a job")?
        }
    }
}

fn run(mut connection: Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        commit(&mut connection, iter::once(first).chain(jobs.try_iter()).take(MAX_GROUP));
    }
}

fn commit(connection: &mut Connection, jobs: impl Iterator<Item = Job>) {
    let mut done = Vec::new();
    let all = || {
        let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for job in jobs {
            // Dropped without its commit, it is rolled back.
            let savepoint = transaction.savepoint()?;
            let Done { keep, tell } = job(&savepoint);
            done.push(tell);
            if keep {
                savepoint.commit()?;
            }
        }
        transaction.commit()
    };
    let failed: Option<rusqlite::Error> = all().err();
    for tell in done {
        tell(failed.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("ledger")).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
            .unwrap();
        (directory, connection)
    }

    fn insert(connection: &Connection, number: i64) -> rusqlite::Result<usize> {
        connection.execute("INSERT INTO numbers VALUES (?1)", [number])
    }

    #[tokio::test]
    async fn one_that_fails_does_not_take_those_with_it_that_are_committed_together() {
        let (directory, connection) = file();
        let writer = Writer::start(connection).unwrap();
        let (release, held) = mpsc::channel::<()>();
        // The first one keeps the thread busy until the others wait: they are one group.
        let first = writer.write(move |_| Ok(held.recv().is_ok()));
        let second = writer.write(|connection| insert(connection, 2));
        let twice = writer.write(|connection| insert(connection, 1).and_then(|_| insert(connection, 1)));
        let third = writer.write(|connection| insert(connection, 3));
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        assert!(second.await.is_ok() && third.await.is_ok());
        assert!(twice.await.unwrap_err().to_string().contains("ledger"));

        let reader = Connection::open(directory.path().join("ledger")).unwrap();
        let mut select = reader.prepare("SELECT number FROM numbers ORDER BY number").unwrap();
        let numbers: Vec<i64> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(numbers, [2, 3]);
    }

    #[test]
    fn nobody_is_told_that_a_group_is_kept_which_is_not() {
        let (_directory, mut connection) = file();
        let (sender, told) = mpsc::channel();
        let job = |number: i64, sender: Sender<bool>| -> Job {
            Box::new(move |savepoint| {
                let keep = insert(savepoint, number).is_ok();
                Done { keep, tell: Box::new(move |failed| sender.send(failed.is_none()).unwrap()) }
            })
        };
        // A constraint that is looked at when the transaction ends.
        connection
            .execute_batch(
                "PRAGMA foreign_keys = ON;
                 CREATE TABLE parts (of INTEGER REFERENCES numbers(number) DEFERRABLE INITIALLY DEFERRED)",
            )
            .unwrap();
        let orphan: Job = Box::new({
            let sender = sender.clone();
            move |savepoint| {
                let keep = savepoint.execute("INSERT INTO parts VALUES (9)", []).is_ok();
                Done { keep, tell: Box::new(move |failed| sender.send(failed.is_none()).unwrap()) }
            }
        });
        commit(&mut connection, [job(1, sender.clone()), orphan].into_iter());
        commit(&mut connection, iter::once(job(2, sender)));
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [false, false, true]);
    }
}
