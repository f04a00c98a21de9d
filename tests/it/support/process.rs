//! A whole world as a process of its own, which can be killed.

use std::{path::Path, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

/// How long a world may take to be ready: the leases of a killed one are free after ten seconds.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// A running world.
pub struct Process {
    child: Child,
    /// The load balancer's address.
    pub public: String,
    /// The address of the stand-in for Telnyx.
    pub telnyx: String,
    /// The engine's address.
    pub dynamodb: String,
    /// SQS's address.
    pub sqs: String,
    /// The projector's address.
    pub projector: String,
    log: tokio::task::JoinHandle<String>,
}

/// The program that runs one part by what was just built.
pub fn part(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_part"));
    command.arg(name).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A world on free ports over the state in `data`.
pub fn world(data: &Path) -> Command {
    let mut command = part("world");
    command.arg("--data-dir").arg(data).env("FIELDFUZE_ADMIN_PASSWORD", super::PASSWORD);
    for port in ["dynamodb", "sqs", "telnyx", "alb", "command-api", "query-api", "projector"] {
        command.env(format!("FIELDFUZE_{}_PORT", port.replace('-', "_").to_uppercase()), "0");
    }
    command
}

/// Tells a process to end.
pub fn terminate(child: &Child) {
    let id = i32::try_from(child.id().expect("it runs")).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
}

impl Process {
    /// Starts a world and waits until it says that it is ready.
    pub async fn start(mut world: Command) -> Self {
        let mut child = world.spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.unwrap();
            text
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut public, mut telnyx, mut dynamodb, mut sqs, mut projector) = (None, None, None, None, None);
        let reading = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let mut words = line.split_whitespace();
                match (words.next(), words.next()) {
                    (Some("API"), Some(address)) => public = Some(address.to_owned()),
                    (Some("DynamoDB"), Some(address)) => dynamodb = Some(address.to_owned()),
                    (Some("SQS"), Some(address)) => sqs = Some(address.to_owned()),
                    (Some("projector"), Some(address)) => projector = Some(address.to_owned()),
                    (Some("Telnyx"), Some(address)) => {
                        telnyx = address.strip_suffix("/_standin/messages").map(ToOwned::to_owned);
                    }
                    (Some("curl"), _) => break,
                    _ => (),
                }
            }
        };
        tokio::time::timeout(READY_WITHIN, reading).await.expect("the world becomes ready");
        let [public, telnyx, dynamodb, sqs, projector] = [public, telnyx, dynamodb, sqs, projector].map(Option::unwrap);
        Self { child, public, telnyx, dynamodb, sqs, projector, log }
    }

    /// Tells it to end, and says whether it ended well.
    pub async fn terminate(mut self) -> bool {
        terminate(&self.child);
        tokio::time::timeout(READY_WITHIN, self.child.wait()).await.expect("the world ends").unwrap().success()
    }

    /// Ends it as a power cut would, and gives what it logged.
    pub async fn kill(mut self) -> String {
        self.child.kill().await.unwrap();
        self.log.await.unwrap()
    }
}
