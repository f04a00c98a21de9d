use std::time::Duration;

use crate::{
    Arguments,
    adapter::Adapter,
    closed_loop,
    dynamo_es::DynamoEs,
    log::Log,
    raw::{self, Raw},
    report::{Load, Report},
    stage::Stage,
};

/// The least part of a short history's rate that a long one is to have: flat within 20 %.
const FLAT: f64 = 0.8;

const COMMAND: &str = "command on a long history";

/// Commands on histories of ever more events, their state read from the log each time, beside the same by others; then the
/// same command through command-api, which keeps the state in memory, and its load.
#[expect(clippy::cast_precision_loss, reason = "a count of events")]
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let lengths = &arguments.lengths;
    let stage = Stage::start(lengths.len()).await?;
    let (url, log) = (stage.engines.dynamodb_url(), Log::open(&stage).await?);
    let (raw, client) = (Raw::new(&url, lengths.len()), raw::client(&url));
    let (dynamo_es, adapter) = (DynamoEs::start(&client, 0).await?, Adapter::start(&client, 0).await?);
    let name = || format!("Ada {}", stage.next());
    let mut grown = Vec::new();
    for (user, length) in lengths.iter().enumerate() {
        for _ in 1..*length {
            log.rename_warm(user, &name()).await?;
            raw.put(user).await?;
            adapter.rename(&user.to_string()).await?;
        }
        grown.push(dynamo_es.grow(&user.to_string(), *length).await?);
    }
    let time = Duration::from_secs(arguments.seconds);
    let mut sides = vec![[const { Vec::new() }; 6]; lengths.len()];
    for _ in 0..arguments.rounds {
        for (user, [ours, bare, dynamo, adapted, through, loading]) in sides.iter_mut().enumerate() {
            let (one, stage, log, raw) = (1, &stage, &log, &raw);
            let aggregate = user.to_string();
            ours.push(closed_loop::run(one, time, |_, _| async { log.rename_cold(user, &name()).await }).await?);
            bare.push(closed_loop::run(one, time, |_, _| raw.append_after_all(user)).await?);
            if grown[user] == lengths[user] {
                dynamo.push(
                    closed_loop::run(one, time, |_, _| async { dynamo_es.grow(&aggregate, 1).await.map(drop) }).await?,
                );
            }
            adapted.push(closed_loop::run(one, time, |_, _| adapter.rename(&aggregate)).await?);
            through
                .push(closed_loop::run(one, time, |_, _| async { stage.rename(user, &name()).await.map(drop) }).await?);
            // A command without effect is never answered from memory.
            stage.rename(user, "Ada").await?;
            loading
                .push(closed_loop::run(one, time, |_, _| async { stage.rename(user, "Ada").await.map(drop) }).await?);
        }
    }
    for (length, grown) in lengths.iter().zip(grown).filter(|(length, grown)| grown < length) {
        let what =
            format!("events that dynamo-es could write of a history of {length} before it saw no more of its end");
        report.figure(what, &[grown as f64]);
    }
    for (length, [ours, bare, dynamo, adapted, ..]) in lengths.iter().zip(&sides) {
        let load = Load::Events(*length);
        report.against("bare SDK, all events read", COMMAND, load, ours, bare);
        if !dynamo.is_empty() {
            report.against("dynamo-es", COMMAND, load, ours, dynamo);
        }
        report.against("event-store-adapter-rs", COMMAND, load, ours, adapted);
        for (of, rounds) in
            [("ours", ours), ("bare SDK", bare), ("dynamo-es", dynamo), ("event-store-adapter-rs", adapted)]
        {
            if let Some(round) = rounds.get(rounds.len() / 2) {
                let median = round.milliseconds(0.5);
                report.point("command against history", ("events", "ms, p50"), of, (*length as f64, median));
            }
        }
    }
    if let [first, .., last] = &sides[..] {
        let load = Load::Events(lengths[lengths.len() - 1]);
        for (at, cell) in [(0, COMMAND), (4, "command through command-api"), (5, "load through command-api")] {
            report.against("the same on the shortest", cell, load, &last[at], &first[at]).at_least = Some(FLAT);
        }
    }
    stage.stop().await;
    Ok(())
}
