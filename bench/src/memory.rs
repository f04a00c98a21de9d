//! What the three services hold: with nothing to do, at their highest, and in the course of an hour's work.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    Arguments, closed_loop,
    projector::{Projector, settled},
    report::{Aim, Report},
    services::Service,
    stage::Stage,
};

/// Changes of an hour, at ten a second: as many as a company of ten thousand makes on its busiest morning. As many reads.
const AN_HOUR: usize = 36_000;

/// Clients that bring them at once.
const CLIENTS: usize = 8;

/// Users who are changed.
const USERS: usize = 64;

/// Parts of the hour; the first one warms up.
const PARTS: usize = 4;

/// A service that has started has settled after this.
const IDLE: Duration = Duration::from_secs(5);

/// What a projector holds that found next to nothing to do, then an hour's worth of changes and reads as fast as it goes.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    fresh(report).await?;
    let stage = &Stage::start(USERS).await?;
    let projector = Projector::start(stage).await?;
    settled(stage).await?;
    let commands = &Service::start(stage, "command-api", &[]).await?;
    let queries = &Service::start(stage, "query-api", &[]).await?;
    sleep(IDLE).await;
    let look = || {
        anyhow::Ok([
            ("command-api", commands.memory()?),
            ("query-api", queries.memory()?),
            ("projector", projector.memory()?),
        ])
    };
    for (name, (now, _)) in look()? {
        report.figure(format!("resident memory of an idle {name}, MB"), &[now]).aim = Some(Aim::AtMost(30.0));
    }
    let each = AN_HOUR / arguments.shorter / CLIENTS / PARTS;
    let mut parts = Vec::new();
    for _ in 0..PARTS {
        closed_loop::run_each(CLIENTS, each, |client, number| async move {
            let user = &stage.users[(client + CLIENTS * number) % USERS];
            let change = stage.http.patch(format!("{}/v1/users/{user}", commands.base)).header("if-match", "*");
            let body = json!({ "first_name": format!("Ada {}", stage.next()) });
            let changed = change.bearer_auth(&stage.token).json(&body).send().await?;
            changed.error_for_status()?.json::<Value>().await?;
            let read = stage.http.get(format!("{}/v1/users/{user}", queries.base)).bearer_auth(&stage.token);
            read.send().await?.error_for_status()?.bytes().await?;
            Ok(())
        })
        .await?;
        parts.push(look()?);
    }
    for (at, (name, (_, highest))) in look()?.into_iter().enumerate() {
        report.figure(format!("highest resident memory of {name} in an hour's work, MB"), &[highest]);
        let [first, .., last] = &parts[..] else { continue };
        let growth = last[at].1.0 / first[at].1.0;
        let what = format!("resident memory of {name} after an hour's work, to that after a quarter");
        report.figure(what, &[growth]).aim = Some(Aim::AtMost(1.1));
    }
    projector.stop(stage).await?;
    Ok(())
}

async fn fresh(report: &mut Report) -> anyhow::Result<()> {
    let stage = &Stage::start(0).await?;
    let projector = Projector::start(stage).await?;
    settled(stage).await?;
    sleep(IDLE).await;
    let (now, _) = projector.memory()?;
    report.figure("resident memory of an idle projector that has projected the seed alone, MB", &[now]).aim =
        Some(Aim::AtMost(30.0));
    projector.stop(stage).await
}
