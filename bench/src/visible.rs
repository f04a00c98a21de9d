//! From a command to the row that shows it.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    Arguments,
    closed_loop::Round,
    projector::{Projector, settled},
    report::{Aim, Report},
    stage::Stage,
};

/// Commands a second, whether the last ones are visible or not: what any machine does without effort, so that what is
/// measured is the way and no queue.
const RATE: u32 = 20;

/// Users whose names change in turn: a user's last change is visible long before the next one.
const USERS: usize = 100;

/// Between two looks at a row: a measured time is up to so much too long.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// What the way may take beside the pause between two looks at the stream, at its p99, in milliseconds.
const BESIDE_THE_POLL_MS: f64 = 50.0;

/// From the answer to a command until the row shows it, in an open loop, with a projector in a process of its own.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::start(USERS).await?;
    let projector = Projector::start(&stage).await?;
    settled(&stage).await?;
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let (began, stage) = (Instant::now(), &stage);
        let count = u64::from(RATE) * arguments.seconds;
        let changes = (0_u32..u32::try_from(count)?).map(|number| async move {
            sleep_until(began + Duration::from_secs(1) / RATE * number).await;
            became_visible(stage, usize::try_from(number)? % USERS).await
        });
        let times = stream::iter(changes).buffer_unordered(usize::MAX).try_collect().await?;
        let round = Round::of_latencies(times);
        p50.push(round.milliseconds(0.5));
        p99.push(round.milliseconds(0.99));
    }
    let poll = projector::stream::Config::default().poll.as_millis();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let visible_within = poll as f64 + BESIDE_THE_POLL_MS;
    report.figure(format!("append → visible at {RATE} a second, p50 ms; the stream is read every {poll} ms"), &p50);
    report
        .figure(format!("append → visible at {RATE} a second, p99 ms; the stream is read every {poll} ms"), &p99)
        .aim = Some(Aim::AtMost(visible_within));
    projector.stop(&stage).await?;
    stage.stop().await;
    Ok(())
}

async fn became_visible(stage: &Stage, user: usize) -> anyhow::Result<Duration> {
    let version = stage.rename(user, &format!("Ada {}", stage.next())).await?;
    let appended = Instant::now();
    while stage.shown(user).await? < version {
        sleep(LOOK_EVERY).await;
    }
    Ok(appended.elapsed())
}
