//! What others feel of a storm of sign-ins: services as processes of their own, and a storm that comes from a thread of its own,
//! as if from other machines, so that no reader waits behind it within the bench itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use tokio::{runtime::Builder, task::spawn_blocking, time::sleep};

use crate::{
    closed_loop::Round,
    reads::ADDRESS,
    report::{Aim, Report},
    services::Service,
    sign_in::sign_in,
    stage::Stage,
};

/// How often somebody reads meanwhile.
const READ_EVERY: Duration = Duration::from_millis(20);

/// How long who was refused is asked to wait (`Retry-After`).
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What those do who were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// They come again when they were asked to.
    Wait,
    /// They come again at once.
    Insist,
}

/// The services, and who storms them.
pub(crate) struct Storm<'a> {
    stage: &'a Stage,
    pub(crate) commands: Service,
    queries: Service,
    people: std::ops::Range<usize>,
    calm: Vec<f64>,
    waiting: Rounds,
    insisting: Rounds,
}

/// What each round gave.
#[derive(Default)]
struct Rounds {
    read: Vec<f64>,
    signed_in: Vec<f64>,
    refused: Vec<f64>,
}

impl<'a> Storm<'a> {
    /// Starts the services. Each of `people` signs in as one client, again and again.
    pub(crate) async fn start(stage: &'a Stage, people: std::ops::Range<usize>) -> anyhow::Result<Self> {
        let header = ADDRESS;
        let believed = [("FIELDFUZE_CLIENT_ADDRESS_HEADER", header.as_str())];
        let commands = Service::start(stage, "command-api", &believed).await?;
        let queries = Service::start(stage, "query-api", &[]).await?;
        let (waiting, insisting) = (Rounds::default(), Rounds::default());
        Ok(Self { stage, commands, queries, people, calm: Vec::new(), waiting, insisting })
    }

    /// Reads while nobody signs in, then while all do: such as wait when they were refused, and such as do not.
    pub(crate) async fn round(&mut self, time: Duration) -> anyhow::Result<()> {
        let calm = self.reads(time).await?;
        self.calm.push(calm);
        for refused in [Refused::Wait, Refused::Insist] {
            self.storm(time, refused).await?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    async fn storm(&mut self, time: Duration, refused: Refused) -> anyhow::Result<()> {
        let over = Arc::new(AtomicBool::new(false));
        let (base, people, until) = (self.commands.base.clone(), self.people.clone(), Arc::clone(&over));
        let storming = spawn_blocking(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(storm(&base, people, refused, &until))
        });
        let stormy = self.reads(time).await;
        over.store(true, Ordering::Relaxed);
        let (signed_in, sent_away) = storming.await??;
        let seconds = time.as_secs_f64();
        let rounds = if refused == Refused::Wait { &mut self.waiting } else { &mut self.insisting };
        rounds.read.push(stormy?);
        rounds.signed_in.push(signed_in as f64 / seconds);
        rounds.refused.push(sent_away as f64 / seconds);
        Ok(())
    }

    pub(crate) fn tell(&self, report: &mut Report) {
        report.figure("p99 of a read, ms, nobody signs in", &self.calm);
        for (who, rounds) in [("wait when refused", &self.waiting), ("come again at once", &self.insisting)] {
            let Rounds { read, signed_in, refused } = rounds;
            report.figure(format!("p99 of a read, ms, in a storm of sign-ins that {who}"), read).aim =
                Some(Aim::AtMost(50.0));
            report.figure(format!("sign-ins per second in a storm of such that {who}"), signed_in);
            report.figure(format!("sign-ins refused per second in a storm of such that {who}"), refused);
        }
    }

    /// The p99 of reads, in milliseconds.
    async fn reads(&self, time: Duration) -> anyhow::Result<f64> {
        let (mut latencies, began) = (Vec::new(), Instant::now());
        while began.elapsed() < time {
            let sent = Instant::now();
            let request = self.stage.http.get(format!("{}/v1/roles", self.queries.base));
            request.bearer_auth(&self.stage.token).send().await?.error_for_status()?.bytes().await?;
            latencies.push(sent.elapsed());
            sleep(READ_EVERY).await;
        }
        Ok(Round::of_latencies(latencies).milliseconds(0.99))
    }
}

/// Everybody signs in as fast as they are answered; how many were let in, and how many refused.
async fn storm(
    base: &str,
    people: std::ops::Range<usize>,
    then: Refused,
    over: &AtomicBool,
) -> anyhow::Result<(usize, usize)> {
    let http = &reqwest::Client::builder().build()?;
    let clients = people.map(|person| async move {
        let (mut signed_in, mut refused) = (0, 0);
        while !over.load(Ordering::Relaxed) {
            if sign_in(http, base, person).await?.is_some() {
                signed_in += 1;
                continue;
            }
            refused += 1;
            if then == Refused::Wait {
                sleep(RETRY_AFTER).await;
            }
        }
        anyhow::Ok((signed_in, refused))
    });
    let counts = try_join_all(clients).await?;
    Ok(counts.into_iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1)))
}
