use std::time::Duration;

use serde_json::json;

use crate::{Arguments, closed_loop, raw::Raw, report::Report, stage::Stage};

/// Changes users through command-api, round by round beside the bare SDK's `Query` and `PutItem` on the same engine.
pub(crate) async fn measure(
    stage: &Stage,
    arguments: &Arguments,
    clients: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(arguments.seconds);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let change = |client: usize, _| async move {
        let body = json!({ "first_name": format!("Ada {}", stage.next()) });
        let path = format!("{}/v1/users/{}", stage.base, stage.users[client]);
        let request = stage.http.patch(path).bearer_auth(&stage.token).header("if-match", "*").json(&body);
        request.send().await?.error_for_status()?.bytes().await?;
        Ok(())
    };
    closed_loop::run(clients, Duration::from_secs(1), change).await?;
    for round in 0..arguments.rounds {
        let raw = Raw::new(&stage.engines.dynamodb_url(), clients, round as u64);
        bare.push(closed_loop::run(clients, time, |client, _| raw.append(client)).await?);
        ours.push(closed_loop::run(clients, time, change).await?);
    }
    report.add("update a user", clients, &ours, &bare);
    Ok(())
}
