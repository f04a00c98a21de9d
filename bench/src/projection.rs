//! How fast a backlog is projected, and in how much memory.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use crate::{
    Arguments,
    closed_loop::Round,
    projector::{Projector, lease, part, settled, until},
    report::{Aim, Load, Report},
    stage::Stage,
};

/// Users whose changes wait to be projected: more than the projector works on at once.
const USERS: usize = 64;

/// Commits that wait, divided by the users.
const COMMITS_OF_A_USER: usize = 60;

/// Requests at once that bring the backlog about.
const WRITERS: usize = 8;

/// A started projector that has nothing to do is measured after this.
const IDLE: Duration = Duration::from_secs(5);

/// Projects a backlog, round by round beside the bare SDK's `GetRecords` and two `PutItem` for each event on
/// the same engine, both in processes of their own; and the memory of the projector.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::start(USERS).await?;
    let projector = Projector::start(&stage).await?;
    settled(&stage).await?;
    projector.stop(&stage).await?;
    let count = USERS * COMMITS_OF_A_USER;
    let (mut ours, mut bare, mut idle, mut busy) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        let projector = Projector::start(&stage).await?;
        sleep(IDLE).await;
        idle.push(projector.memory()?.0);
        projector.stop(&stage).await?;
        let before = lease(&stage).await?.context("no lease")?;
        let versions = backlog(&stage, count).await?;
        let arguments = [before.checkpoint, count.to_string(), round.to_string()];
        let output = part(&stage, "raw-projector")?.args(arguments).output().await?;
        let rate: f64 = String::from_utf8(output.stdout)?.trim().parse().context("the bare SDK failed")?;
        bare.push(Round::of_rate(rate));

        let projector = Projector::start(&stage).await?;
        let began = Instant::now();
        for (user, version) in versions.into_iter().enumerate() {
            until("the backlog is projected", || async { Ok(stage.shown(user).await? >= version) }).await?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of events")]
        ours.push(Round::of_rate(count as f64 / began.elapsed().as_secs_f64()));
        busy.push(projector.memory()?.1);
        settled(&stage).await?;
        projector.stop(&stage).await?;
    }
    let line = report.against("bare SDK", "project an event", Load::Closed(1), &ours, &bare);
    line.at_least = Some(0.7);
    report.figure("resident memory of an idle projector, MB", &idle).aim = Some(Aim::AtMost(30.0));
    report.figure("highest resident memory of a busy projector, MB", &busy);
    stage.stop().await;
    Ok(())
}

/// Renames all users over and over, and gives the last version of each.
async fn backlog(stage: &Stage, count: usize) -> anyhow::Result<Vec<u64>> {
    let renames = (0..count).map(|number| async move {
        let version = stage.rename(number % USERS, &format!("Ada {}", stage.next())).await?;
        anyhow::Ok((number % USERS, version))
    });
    let mut versions = vec![0; USERS];
    let mut renames = stream::iter(renames).buffer_unordered(WRITERS);
    while let Some((user, version)) = renames.try_next().await? {
        versions[user] = version.max(versions[user]);
    }
    Ok(versions)
}
