//! How long nobody projects when a projector ends.

use anyhow::Context;
use rustix::process::Signal;
use tokio::time::{Duration, Instant, sleep};

use crate::{
    Arguments,
    projector::{ASK_EVERY, Projector, settled, until},
    report::{Aim, Report},
    stage::Stage,
};

/// A projector that has been told to end, and whose lease is free, has nothing left to do after this.
const WARM: Duration = Duration::from_secs(3);

/// From the signal to the one that reads the stream, until the other one shows a change made at that moment: told to end,
/// and killed. Each signal ends one of two, and a third one follows for the next round.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let lease = projector::stream::Config::default().lease_time.as_secs_f64();
    for (signal, what, most) in [(Signal::TERM, "SIGTERM", 1.0), (Signal::KILL, "SIGKILL", lease + 1.0)] {
        let stage = Stage::start(1).await?;
        let mut first = Projector::start(&stage).await?;
        settled(&stage).await?;
        let mut took = Vec::new();
        for _ in 0..arguments.rounds {
            let second = Projector::beside(&stage, &[])?;
            // It knows the first one and asks for nothing.
            sleep(WARM).await;
            let version = stage.rename(0, &format!("Ada {}", stage.next())).await?;
            until("the first one projects", || async { Ok(stage.shown(0).await? >= version) }).await?;
            let began = Instant::now();
            first.signal(signal)?;
            let version = stage.rename(0, &format!("Ada {}", stage.next())).await?;
            while stage.shown(0).await? < version {
                sleep(ASK_EVERY).await;
            }
            took.push(began.elapsed().as_secs_f64());
            first = second;
        }
        let figure = report.figure(format!("{what} → the next one projects, s; a lease holds {lease} s"), &took);
        figure.aim = Some(Aim::AtMost(most));
        first.stop(&stage).await.context("the last one")?;
        stage.stop().await;
    }
    Ok(())
}
