//! How fast a read model is built anew, and in how much memory.

use std::time::Instant;

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use crate::{
    Arguments,
    closed_loop::Round,
    dynamo_es::{self, DynamoEs},
    fold,
    log::Log,
    proc::memory,
    projector::{ASK_EVERY, Projector, part, settled},
    raw,
    report::{Load, Report},
    stage::Stage,
};

/// Commits of the log: of the long one, and of a tenth of it, which must not take much less memory.
const COMMITS: [usize; 2] = [10_000, 100_000];

/// Commits of each user.
const COMMITS_OF_A_USER: usize = 10;

/// Requests at once that make the log.
const WRITERS: usize = 8;

/// Rebuilds `users1` beside a projector that has nothing to do, as an operator does.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let mut stage = Stage::start(0).await?;
    for commits in COMMITS.map(|commits| commits / arguments.shorter) {
        grow(&mut stage, commits / COMMITS_OF_A_USER).await?;
        let projector = Projector::start(&stage).await?;
        settled(&stage).await?;

        let began = Instant::now();
        let mut rebuild = part(&stage, "operate")?.args(["rebuild", "users1"]).spawn()?;
        let process = rebuild.id().context("it ended")?;
        let mut highest = 0.0;
        let ended = loop {
            if let Some(ended) = rebuild.try_wait()? {
                break ended;
            }
            // Gone when the process ends between the two.
            highest = memory(process).map_or(highest, |(_, highest)| highest);
            sleep(ASK_EVERY).await;
        };
        ensure!(ended.success(), "the rebuild failed");
        #[expect(clippy::cast_precision_loss, reason = "a count of commits")]
        let rate = commits as f64 / began.elapsed().as_secs_f64();
        let rebuilt = vec![Round::of_rate(rate); arguments.rounds];
        let (mut bare, mut folded, mut written) = (Vec::new(), Vec::new(), Vec::new());
        let log = Log::open(&stage).await?;
        for _ in 0..arguments.rounds {
            bare.push(fold::bare(&stage.dynamodb, fold::EVENTS).await?);
            folded.push(fold::folded(&stage.dynamodb, log.store()).await?);
            written.push(fold::written(&stage.dynamodb, &stage.serial).await?);
        }
        let load = Load::Events(commits);
        report.against("bare scan", "fold of the whole log", load, &folded, &bare).at_least = Some(0.9);
        report.against("bare scan with writes", "rebuild of users1", load, &rebuilt, &written).at_least = Some(0.7);
        report.figure(format!("highest resident memory of it, MB, {commits} commits"), &[highest]);
        projector.stop(&stage).await?;
    }
    stage.stop().await;
    replayed(arguments, report).await
}

/// The fold of a peer's log, beside the bare scan of it: on an engine of its own, because its transactions would slow ours.
async fn replayed(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::start(0).await?;
    let client = raw::client(&stage.engines.dynamodb_url());
    let peer = DynamoEs::start(&client, 0).await?;
    let aggregates = COMMITS[COMMITS.len() - 1] / arguments.shorter / COMMITS_OF_A_USER;
    let events = aggregates * COMMITS_OF_A_USER;
    stream::iter((0..aggregates).map(anyhow::Ok))
        .try_for_each_concurrent(WRITERS, |aggregate| {
            let (peer, aggregate) = (&peer, aggregate.to_string());
            async move { peer.grow(&aggregate, COMMITS_OF_A_USER).await.map(drop) }
        })
        .await?;
    let (mut bare, mut replays) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        bare.push(fold::bare(&client, dynamo_es::EVENTS).await?);
        replays.push(peer.replay(events).await?);
    }
    report.against("bare scan", "replay of its whole log by dynamo-es", Load::Events(events), &replays, &bare);
    stage.stop().await;
    Ok(())
}

/// Registers users until there are so many, and renames the new ones until each has its commits.
async fn grow(stage: &mut Stage, users: usize) -> anyhow::Result<()> {
    let known = stage.users.len();
    let registered = {
        let stage = &*stage;
        stream::iter(known..users)
            .map(|number| stage.register(number))
            .buffered(WRITERS)
            .try_collect::<Vec<_>>()
            .await?
    };
    stage.users.extend(registered);
    let stage = &*stage;
    let renames = (known..users).flat_map(|user| (1..COMMITS_OF_A_USER).map(move |number| (user, number)));
    stream::iter(renames)
        .map(|(user, number)| async move { stage.rename(user, &format!("Ada {number}")).await })
        .buffer_unordered(WRITERS)
        .try_for_each(|_| async { Ok(()) })
        .await
}
