use std::time::Duration;

use crate::{Arguments, closed_loop, report::Report, stage::Stage};

/// Commits of the long history and of the short one.
const LONG: usize = 10_000;
const SHORT: usize = 10;

/// Commands on a long history beside the same on a short one: with the state in memory, and with a load from the log,
/// which a command without effect always makes.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::start(2).await?;
    for (user, commits) in [(0, LONG), (1, SHORT)] {
        for _ in 1..commits {
            stage.rename(user, &format!("Ada {}", stage.next())).await?;
        }
    }
    let time = Duration::from_secs(arguments.seconds);
    let appending = |user: usize| {
        let stage = &stage;
        move |_, _| async move { stage.rename(user, &format!("Ada {}", stage.next())).await.map(drop) }
    };
    let loading = |user: usize| {
        let stage = &stage;
        move |_, _| async move { stage.rename(user, "Ada").await.map(drop) }
    };
    let (mut long, mut short, mut long_load, mut short_load) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        long.push(closed_loop::run(1, time, appending(0)).await?);
        short.push(closed_loop::run(1, time, appending(1)).await?);
        stage.rename(0, "Ada").await?;
        stage.rename(1, "Ada").await?;
        long_load.push(closed_loop::run(1, time, loading(0)).await?);
        short_load.push(closed_loop::run(1, time, loading(1)).await?);
    }
    report.add("command on 10,000 commits, peer: on 10", 1, &long, &short);
    report.add("load of 10,000 commits, peer: of 10", 1, &long_load, &short_load);
    stage.stop().await;
    Ok(())
}
