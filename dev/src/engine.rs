//! DynamoDB and its streams on one file: `dynoxide`, in process, on a thread of its own.

mod scan_index;
mod stream_index;
mod tables;

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, anyhow};
use platform::tables::{EVENTS, Names};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The database's file in the data directory.
pub(crate) const FILE: &str = "dynamodb.sqlite";

/// Worker threads. Requests run `SQLite` under one lock, so more would only wait for each other.
const THREADS: usize = 2;

/// How long running requests may take to end. The longest, a page of 1 MB, takes a fraction of it.
const DRAIN: Duration = Duration::from_secs(2);

/// How often items past their time to live are dropped. AWS takes up to days: nothing may depend on it.
const SWEEP_PERIOD: Duration = Duration::from_mins(10);

/// The engine. Dropping it begins the stop as well, but does not wait for its end.
///
/// Its own thread and runtime keep its blocking work off the services' threads. Stream records are never trimmed:
/// the engine has no way to tell a reader that its position is gone.
#[derive(Debug)]
pub struct Engine {
    address: SocketAddr,
    drain: DropGuard,
    thread: JoinHandle<()>,
}

impl Engine {
    /// Opens (or creates) the database in `data`, serves it on `listener` and creates the tables that are missing.
    ///
    /// # Errors
    /// The file is no database or cannot be written, or a table in it differs from [`platform::tables::ALL`].
    pub async fn start(listener: TcpListener, data: &Path, names: &Names) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the engine's address")?;
        listener.set_nonblocking(true).context("a listener that does not block")?;
        let (ready, opened) = oneshot::channel();
        let drain = CancellationToken::new();
        let work = Work { listener, file: data.join(FILE), drain: drain.clone() };
        let thread = std::thread::Builder::new()
            .name("dynamodb".to_owned())
            .spawn(move || work.run(ready))
            .context("the engine's thread")?;
        let engine = Self { address, drain: drain.drop_guard(), thread };
        opened
            .await
            .map_err(|_| anyhow!("the engine's thread died"))?
            .with_context(|| format!("open {}", data.join(FILE).display()))?;
        tables::create(&tables::client(&engine.url()), names).await?;
        scan_index::create(&data.join(FILE), &names.table(&EVENTS)).context("the index of the log's scans")?;
        Ok(engine)
    }

    /// The endpoint of DynamoDB and of its streams, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts no more, lets running requests end for up to 2 s and closes the file.
    pub async fn stop(self) {
        drop(self.drain);
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the engine's thread panicked");
        }
    }
}

/// What the engine's thread is given.
struct Work {
    listener: TcpListener,
    file: PathBuf,
    drain: CancellationToken,
}

impl Work {
    fn run(self, ready: oneshot::Sender<anyhow::Result<()>>) {
        let opened = open(&self.file).and_then(|database| Ok((database, runtime()?)));
        let (database, runtime) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            let listener = match tokio::net::TcpListener::from_std(self.listener) {
                Ok(listener) => listener,
                Err(error) => {
                    let _ = ready.send(Err(error.into()));
                    return;
                }
            };
            let _ = ready.send(Ok(()));
            let sweeping = tokio::spawn(sweep(database.clone()));
            let stopping = self.drain.clone();
            let serving = dynoxide::server::serve_with_shutdown(listener, database, stopping.cancelled_owned());
            tokio::select! {
                served = serving => if let Err(error) = served {
                    tracing::error!(%error, "the engine failed");
                },
                () = async { self.drain.cancelled().await; tokio::time::sleep(DRAIN).await } => (),
            }
            sweeping.abort();
        });
        runtime.shutdown_timeout(DRAIN);
    }
}

fn open(file: &Path) -> anyhow::Result<dynoxide::Database> {
    let path = file.to_str().context("the data directory's path is not UTF-8")?;
    let database = dynoxide::Database::new(path)?;
    stream_index::create(file).context("the index of the stream's records")?;
    Ok(database)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("dynamodb-worker")
        .enable_all()
        .build()
}

async fn sweep(database: dynoxide::Database) {
    let mut ticks = tokio::time::interval(SWEEP_PERIOD);
    loop {
        ticks.tick().await;
        match database.sweep_ttl() {
            Ok(0) => (),
            Ok(items) => tracing::debug!(items, "items past their time to live dropped"),
            Err(error) => tracing::warn!(%error, "the sweep of items past their time failed"),
        }
    }
}

#[cfg(test)]
mod tests;
