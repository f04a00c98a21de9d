//! A projector as a process of its own, which can be stopped, continued and killed.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::SOON;

/// A running projector.
pub struct Projector {
    /// Its name in the rows of the lease table.
    pub worker: String,
    child: Child,
}

impl Projector {
    /// Starts it and waits until it follows the log's stream.
    pub async fn start(mut command: Command) -> Self {
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let reading = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the projector goes on");
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(worker) = line["worker"].as_str() {
                    return worker.to_owned();
                }
            }
        };
        let worker = tokio::time::timeout(SOON, reading).await.expect("the projector follows the log");
        // A pipe that nobody empties would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { worker, child }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().expect("it runs")).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits until it has ended, and tells whether well.
    pub async fn ended(mut self) -> bool {
        tokio::time::timeout(SOON, self.child.wait()).await.expect("the projector ends").unwrap().success()
    }
}
